// Prints what kstatus says of each object that comes as JSON on standard input: one line of JSON an object.
//
// kstatus is how Flux, Config Sync, kpt and others judge whether an object has come to rest. It is used as it is.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
)

type verdict struct {
	Kind    string `json:"kind"`
	Name    string `json:"name"`
	Status  string `json:"status"`
	Message string `json:"message"`
}

func main() {
	if err := judgeAll(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func judgeAll(input io.Reader, output io.Writer) error {
	objects, verdicts := json.NewDecoder(input), json.NewEncoder(output)
	for {
		var text json.RawMessage
		if err := objects.Decode(&text); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("standard input: %w", err)
		}
		err := each(text, func(object *unstructured.Unstructured) error {
			judged, err := status.Compute(object)
			if err != nil {
				return fmt.Errorf("%s %s: %w", object.GetKind(), object.GetName(), err)
			}
			return verdicts.Encode(verdict{
				Kind:    object.GetKind(),
				Name:    object.GetName(),
				Status:  judged.Status.String(),
				Message: judged.Message,
			})
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
