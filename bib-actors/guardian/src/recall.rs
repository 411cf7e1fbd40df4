//! Answers of the catalogue that are kept in memory, so that a read that was made before needs no database.
//!
//! Only the guardian writes the catalogue, one incarnation at a time. An answer is kept together with the generation of
//! the catalogue in which its reading began; every change begins a new generation when its outcome is in the database,
//! before anybody hears of it. So an answer of an older generation is never given, and one that was read while a change
//! went on is not kept beyond it.

use crate::audited::Look;
use crate::database::Footprint;
use crate::manifests::decoded_bytes;
use bib_chunks::SignedManifest;
use bib_domain::VersionId;
use parking_lot::{Mutex, RwLock};
use std::any::Any;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What the map itself takes for each answer, roughly.
const ENTRY_BYTES: usize = 256;
/// What manifests are kept under: no read has this name.
const MANIFEST: &str = "manifest";

/// How much memory an answer takes, roughly: what is on the heap beside the value itself.
pub(crate) trait Weigh {
    /// Bytes on the heap.
    fn heap_bytes(&self) -> usize;
}

impl<T: Weigh> Weigh for Option<T> {
    fn heap_bytes(&self) -> usize {
        self.as_ref().map_or(0, Weigh::heap_bytes)
    }
}

impl<T: Weigh> Weigh for Vec<T> {
    fn heap_bytes(&self) -> usize {
        self.capacity() * size_of::<T>() + self.iter().map(Weigh::heap_bytes).sum::<usize>()
    }
}

struct Answer {
    generation: u64,
    bytes: usize,
    output: Box<dyn Any + Send + Sync>,
    footprint: Footprint,
}

struct Kept {
    answers: HashMap<(&'static str, String), Answer>,
    bytes: usize,
}

/// The answers of one incarnation.
pub(crate) struct Answers {
    limit: usize,
    generation: AtomicU64,
    kept: Mutex<Kept>,
}

impl Answers {
    /// Keeps at most `limit` bytes; 0 keeps nothing.
    pub(crate) fn new(limit: usize) -> Self {
        let kept = Kept { answers: HashMap::new(), bytes: 0 };
        Self { limit, generation: AtomicU64::new(0), kept: Mutex::new(kept) }
    }

    /// The generation now: to be asked before a reading begins.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// A change is about to be made. When what is returned is dropped, whatever became of it, all answers are old.
    pub(crate) fn changing(&self) -> Changing<'_> {
        Changing(self)
    }

    /// The answer to a read, if it is kept and nothing changed since.
    pub(crate) fn get<L: Look>(&self, look: &L) -> Option<(L::Output, Footprint)> {
        self.find(L::ACTION, look.recall_key()?)
    }

    /// Keeps the answer to a read that began in a generation, unless that is over.
    pub(crate) fn put<L: Look>(&self, look: &L, generation: u64, output: &L::Output, footprint: &Footprint) {
        if let Some(key) = look.recall_key() {
            self.keep(L::ACTION, key, generation, output, look.heap_bytes(output), footprint);
        }
    }

    /// A manifest that the catalogue names.
    pub(crate) fn manifest(&self, id: VersionId) -> Option<Arc<SignedManifest>> {
        self.find(MANIFEST, id.to_hex()).map(|(manifest, _)| manifest)
    }

    /// Keeps a manifest that the catalogue named in a generation.
    pub(crate) fn put_manifest(&self, generation: u64, manifest: &Arc<SignedManifest>) {
        let (heap, none) = (decoded_bytes(manifest), Footprint::default());
        self.keep(MANIFEST, manifest.id().to_hex(), generation, manifest, heap, &none);
    }

    fn find<T: Clone + 'static>(&self, action: &'static str, key: String) -> Option<(T, Footprint)> {
        let kept = self.kept.lock();
        let answer = kept.answers.get(&(action, key)).filter(|answer| answer.generation == self.generation())?;
        let output = answer.output.downcast_ref::<T>()?.clone();
        Some((output, answer.footprint.clone()))
    }

    fn keep<T: Clone + Send + Sync + 'static>(
        &self,
        action: &'static str,
        key: String,
        generation: u64,
        output: &T,
        heap_bytes: usize,
        footprint: &Footprint,
    ) {
        let bytes = ENTRY_BYTES + key.len() + size_of::<T>() + heap_bytes;
        // one answer may not push out all the others
        if bytes > self.limit / 4 || generation != self.generation() {
            return;
        }
        let mut kept = self.kept.lock();
        if kept.bytes + bytes > self.limit {
            kept.answers.retain(|_, answer| answer.generation == generation);
            kept.bytes = kept.answers.values().map(|answer| answer.bytes).sum();
        }
        if kept.bytes + bytes > self.limit {
            // all of them are of now: which of them are wanted again is not known, and they are read again in no time
            kept.answers.clear();
            kept.bytes = 0;
        }
        let answer = Answer { generation, bytes, output: Box::new(output.clone()), footprint: footprint.clone() };
        kept.bytes += bytes;
        if let Some(before) = kept.answers.insert((action, key), answer) {
            kept.bytes -= before.bytes;
        }
    }
}

/// A change under way.
pub(crate) struct Changing<'a>(&'a Answers);

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        self.0.generation.fetch_add(1, Ordering::AcqRel);
    }
}

/// Where the handles find the answers of the incarnation that runs now, if one does.
#[derive(Clone, Default)]
pub(crate) struct Recall(Arc<RwLock<Option<Arc<Answers>>>>);

impl Recall {
    /// From now on these are the answers, until what is returned is dropped.
    pub(crate) fn serve(&self, answers: Arc<Answers>) -> Serving {
        *self.0.write() = Some(Arc::clone(&answers));
        Serving { recall: self.clone(), answers }
    }

    /// The answer to a read without the guardian's help.
    pub(crate) fn get<L: Look>(&self, look: &L) -> Option<(L::Output, Footprint)> {
        self.0.read().as_ref()?.get(look)
    }

    /// A manifest without the guardian's help.
    pub(crate) fn manifest(&self, id: VersionId) -> Option<Arc<SignedManifest>> {
        self.0.read().as_ref()?.manifest(id)
    }
}

/// An incarnation's answers are given while this lives.
pub(crate) struct Serving {
    recall: Recall,
    pub(crate) answers: Arc<Answers>,
}

impl Drop for Serving {
    fn drop(&mut self) {
        let mut now = self.recall.0.write();
        if now.as_ref().is_some_and(|now| Arc::ptr_eq(now, &self.answers)) {
            *now = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::Tx;
    use crate::error::GuardianError;

    struct Ask(&'static str);

    impl Look for Ask {
        type Output = String;
        const ACTION: &'static str = "test.ask";

        fn object(&self) -> String {
            self.0.to_owned()
        }

        fn recall_key(&self) -> Option<String> {
            (!self.0.is_empty()).then(|| self.0.to_owned())
        }

        fn heap_bytes(&self, output: &String) -> usize {
            output.capacity()
        }

        async fn read(&self, _tx: &mut Tx) -> Result<String, GuardianError> {
            unreachable!("answers are given here")
        }
    }

    fn footprint(rows: u64) -> Footprint {
        Footprint { fingerprint: "f".to_owned(), rows }
    }

    fn keep(answers: &Answers, name: &'static str, output: &str) {
        answers.put(&Ask(name), answers.generation(), &output.to_owned(), &footprint(3));
    }

    fn given(answers: &Answers, name: &'static str) -> Option<String> {
        answers.get(&Ask(name)).map(|(output, _)| output)
    }

    #[test]
    fn an_answer_is_given_until_something_changes() {
        let answers = Answers::new(1 << 20);
        keep(&answers, "a", "one");
        assert_eq!(given(&answers, "a").as_deref(), Some("one"));
        assert_eq!(answers.get(&Ask("a")).map(|(_, footprint)| footprint.rows), Some(3));
        assert_eq!(given(&answers, "b"), None);
        let change = answers.changing();
        assert_eq!(given(&answers, "a").as_deref(), Some("one"), "nobody has heard of the change");
        drop(change);
        assert_eq!(given(&answers, "a"), None);
    }

    #[test]
    fn what_was_read_before_a_change_is_not_kept_after_it() {
        let answers = Answers::new(1 << 20);
        let began = answers.generation();
        let change = answers.changing();
        drop(change);
        answers.put(&Ask("a"), began, &"old".to_owned(), &footprint(1));
        assert_eq!(given(&answers, "a"), None);
        // kept while the change went on, old as soon as it is done
        let change = answers.changing();
        keep(&answers, "a", "old");
        drop(change);
        assert_eq!(given(&answers, "a"), None);
        keep(&answers, "a", "new");
        assert_eq!(given(&answers, "a").as_deref(), Some("new"));
    }

    #[test]
    fn the_memory_is_bounded() {
        let answers = Answers::new(64 << 10);
        let names: Vec<&'static str> = (0..1000).map(|n| &*Box::leak(n.to_string().into_boxed_str())).collect();
        for name in &names {
            keep(&answers, name, &"x".repeat(1000));
            let kept = answers.kept.lock();
            assert!(kept.bytes <= 64 << 10);
            assert_eq!(kept.bytes, kept.answers.values().map(|answer| answer.bytes).sum::<usize>());
        }
        assert_eq!(given(&answers, names[999]).map(|text| text.len()), Some(1000), "the last one is kept");
        keep(&answers, "large", &"x".repeat(17 << 10));
        assert_eq!(given(&answers, "large"), None, "one answer does not push out a quarter of the others");
        keep(&answers, "", "no key");
        assert_eq!(given(&answers, ""), None);
        let none = Answers::new(0);
        keep(&none, "a", "");
        assert_eq!(given(&none, "a"), None);
    }

    #[test]
    fn answers_end_with_their_incarnation() {
        let recall = Recall::default();
        assert!(recall.get(&Ask("a")).is_none());
        let first = recall.serve(Arc::new(Answers::new(1 << 20)));
        keep(&first.answers, "a", "one");
        assert!(recall.get(&Ask("a")).is_some());
        let second = recall.serve(Arc::new(Answers::new(1 << 20)));
        assert!(recall.get(&Ask("a")).is_none(), "the second one starts empty");
        keep(&second.answers, "a", "two");
        drop(first);
        assert_eq!(recall.get(&Ask("a")).map(|(output, _)| output).as_deref(), Some("two"));
        drop(second);
        assert!(recall.get(&Ask("a")).is_none());
    }
}
