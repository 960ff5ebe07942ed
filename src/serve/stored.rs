//! Defines the forms in which the stores keep fleets and policies.

use std::borrow::Cow;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use kube::core::NamespaceResourceScope;

use crate::api::fleet::ClientFleetSpec;
use crate::api::{ClientFleet, UpgradePolicy};
use crate::checkin::fleet::DecidedStatus;
use crate::checkin::policies::DeliveryPolicy;
use crate::cluster::watch::Stored;
use crate::plan::Raw;

/// A fleet in its store.
#[derive(Clone, Debug)]
pub struct StoredFleet {
    /// Metadata without annotations and `managedFields`.
    pub metadata: ObjectMeta,
    /// Spec; `None` if it cannot be read.
    pub spec: Option<Arc<ClientFleetSpec>>,
    /// Part of the status that check-in needs.
    pub status: DecidedStatus,
}

/// A policy in its store.
#[derive(Clone, Debug)]
pub struct StoredPolicy(pub DeliveryPolicy);

impl Stored for StoredFleet {
    type Kind = ClientFleet;

    fn read(raw: Raw<ClientFleet>, before: Option<&Self>) -> Self {
        let spec = raw.spec().ok();
        let same = before.and_then(|before| before.spec.as_ref());
        let same = same.filter(|same| spec.as_ref().is_some_and(|spec| ***same == *spec));
        let status = raw.status().map(DecidedStatus::from).unwrap_or_default();
        Self { spec: same.cloned().or(spec.map(Arc::new)), status, metadata: raw.metadata }
    }
}

impl Stored for StoredPolicy {
    type Kind = UpgradePolicy;

    fn read(raw: Raw<UpgradePolicy>, _: Option<&Self>) -> Self {
        let observed = raw.status().and_then(|status| status.observed_generation);
        Self(DeliveryPolicy::new(raw.metadata.clone(), raw.spec().ok(), observed))
    }
}

/// Implements `kube::Resource` by the kind of the object, so that kube's store can hold it.
macro_rules! resource_of {
    ($stored:ty, $kind:ty, $($metadata:tt)+) => {
        impl Resource for $stored {
            type DynamicType = ();
            type Scope = NamespaceResourceScope;

            fn kind((): &()) -> Cow<'_, str> {
                <$kind>::kind(&())
            }
            fn group((): &()) -> Cow<'_, str> {
                <$kind>::group(&())
            }
            fn version((): &()) -> Cow<'_, str> {
                <$kind>::version(&())
            }
            fn plural((): &()) -> Cow<'_, str> {
                <$kind>::plural(&())
            }
            fn meta(&self) -> &ObjectMeta {
                &self.$($metadata)+
            }
            fn meta_mut(&mut self) -> &mut ObjectMeta {
                &mut self.$($metadata)+
            }
        }
    };
}

resource_of!(StoredFleet, ClientFleet, metadata);
resource_of!(StoredPolicy, UpgradePolicy, 0.metadata);
