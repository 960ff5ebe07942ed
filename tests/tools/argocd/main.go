// Prints how healthy Argo CD calls each object that comes as JSON on standard input: one line of JSON an object.
//
// Argo CD's own code does all of it: it reads its settings, with the health checks that are installed there, from the
// ConfigMap argocd-cm of the cluster that KUBECONFIG names, and runs them as its application controller does.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/argoproj/argo-cd/gitops-engine/pkg/health"
	"github.com/argoproj/argo-cd/v3/util/lua"
	"github.com/argoproj/argo-cd/v3/util/settings"
	"github.com/sirupsen/logrus"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

const namespace = "argocd"

type verdict struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
	// Empty where Argo CD has no opinion; such an object does not count for its application.
	Status  string `json:"status"`
	Message string `json:"message"`
}

func main() {
	logrus.SetOutput(os.Stderr)
	overrides, err := installed(context.Background())
	if err == nil {
		err = judgeAll(overrides, os.Stdin, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func installed(ctx context.Context) (lua.ResourceHealthOverrides, error) {
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		return nil, err
	}
	clients, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	return settings.NewSettingsManager(ctx, clients, namespace).GetResourceOverrides()
}

func judgeAll(overrides lua.ResourceHealthOverrides, input io.Reader, output io.Writer) error {
	objects, verdicts := json.NewDecoder(input), json.NewEncoder(output)
	for {
		var text json.RawMessage
		if err := objects.Decode(&text); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("standard input: %w", err)
		}
		err := each(text, func(object *unstructured.Unstructured) error {
			judged, err := health.GetResourceHealth(object, overrides)
			if err != nil {
				return fmt.Errorf("%s %s: %w", object.GetKind(), object.GetName(), err)
			}
			said := verdict{Kind: object.GetKind(), Name: object.GetName()}
			if judged != nil {
				said.Status, said.Message = string(judged.Status), judged.Message
			}
			return verdicts.Encode(said)
		})
		if err != nil {
			return err
		}
	}
}

// The object itself, or each that is in a List, as kubectl prints several.
func each(text []byte, judge func(*unstructured.Unstructured) error) error {
	// Numbers become what a client of the cluster makes of them.
	object, err := runtime.Decode(unstructured.UnstructuredJSONScheme, text)
	if err != nil {
		return fmt.Errorf("standard input: %w", err)
	}
	if list, ok := object.(*unstructured.UnstructuredList); ok {
		return list.EachListItem(func(item runtime.Object) error {
			return judge(item.(*unstructured.Unstructured))
		})
	}
	return judge(object.(*unstructured.Unstructured))
}
