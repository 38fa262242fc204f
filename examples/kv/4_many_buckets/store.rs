// All buckets: each is found by its name, and started when it is first needed.

use rekindle::prelude::*;
use rekindle::{DynamicSupervisorRef, StartChildError, Via};

use crate::bucket::Bucket;

/// Which bucket has which name. An entry goes when its process ends.
type Names = Registry<String, Addr<Bucket>>;

/// A handle on whichever process is the bucket of that name.
pub type Handle = Via<String, Addr<Bucket>, Bucket>;

/// The part of the tree that holds the buckets.
pub fn tree() -> Supervisor {
    // The names first. If they fail, the buckets cannot be found, and must start over too.
    Supervisor::rest_for_one()
        .name("store")
        .child(Names::unique().name("names"))
        .child(DynamicSupervisor::child().name("buckets"))
}

/// The bucket with this name, running or not.
pub fn bucket(name: &str) -> Handle {
    Names::named("names").via(name.to_owned())
}

/// The bucket with this name; it is started if it does not run.
pub async fn bucket_or_new(name: &str) -> Result<Handle, ExitReason> {
    let handle = bucket(name);
    if handle.pid().is_none() {
        let child = Bucket::child(()).via(&handle).restart(Restart::Transient);
        let buckets = DynamicSupervisorRef::named("buckets");
        match buckets.start_child(child).await {
            // Somebody else was quicker: that is as good.
            Ok(_) | Err(StartChildError::AlreadyStarted(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(handle)
}

/// The names of all buckets that run.
pub fn names() -> Result<Vec<String>, ExitReason> {
    let mut names = Names::named("names").select(|name, _, _| Some(name.clone()))?;
    names.sort();
    Ok(names)
}
