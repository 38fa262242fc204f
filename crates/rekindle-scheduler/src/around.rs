//! What a thread's life is wrapped in: guards that must be held on every thread, on its own stack.

use std::sync::Arc;

/// Is given the life of a thread, and calls it.
pub(crate) type Around = Arc<dyn Fn(&mut dyn FnMut()) + Send + Sync>;

/// Lives `life` inside of `around`, if there is one. A hook that does not call what it was given
/// wraps nothing; the life is lived all the same.
pub(crate) fn within<R>(around: Option<&Around>, life: impl FnOnce() -> R) -> R {
    let Some(around) = around else {
        return life();
    };
    let mut life = Some(life);
    let mut result = None;
    around(&mut || {
        if let Some(life) = life.take() {
            result = Some(life());
        }
    });
    match (result, life) {
        (Some(result), _) => result,
        (None, Some(life)) => {
            crate::log_guarded(|| {
                log::error!("a hook around a thread has not called what it was given")
            });
            life()
        }
        (None, None) => panic!("a hook around a thread has swallowed a panic"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn a_life_is_lived_once_inside_whatever_the_hook_does() {
        let order = Arc::new(Mutex::new(Vec::new()));
        let note = |what| order.lock().unwrap().push(what);
        let lived = |around: Around| {
            note("begin");
            within(Some(&around), || {
                note("life");
                7
            })
        };
        let wraps = order.clone();
        let proper: Around = Arc::new(move |life| {
            wraps.lock().unwrap().push("before");
            life();
            wraps.lock().unwrap().push("after");
        });
        assert_eq!(lived(proper), 7);
        assert_eq!(lived(Arc::new(|_| {})), 7);
        let twice: Around = Arc::new(|life| {
            life();
            life();
        });
        assert_eq!(lived(twice), 7);
        assert_eq!(
            *order.lock().unwrap(),
            [
                "begin", "before", "life", "after", "begin", "life", "begin", "life"
            ]
        );
        assert_eq!(within(None, || 8), 8);
    }
}
