//! What peers said of their datasets, believed for a while: for people who read what is elsewhere page by page.
//!
//! Nothing of it is evidence. Whoever reads a version takes its manifest, and every chunk is checked against that.

use bib_domain::{DatasetRef, TopicName, VersionId};
use bib_guardian::{DatasetRow, Topic, VersionRow};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Question {
    /// So many topics after a name.
    Topics { after: Option<TopicName>, limit: u32 },
    /// One topic.
    Topic(TopicName),
    /// So many datasets after a name.
    Datasets { topic: Option<TopicName>, after: Option<DatasetRef>, limit: u32 },
    /// All versions of a dataset.
    Versions(DatasetRef),
    /// The version that a selector means.
    Version(DatasetRef, String),
}

/// What the peers together answered.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    Topics(Arc<Vec<Topic>>),
    Datasets(Arc<Vec<DatasetRow>>),
    Versions(Arc<Vec<VersionRow>>),
    Version(VersionId),
}

/// How far an answer is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Belief {
    /// All who were asked said what they have.
    Whole,
    /// Some did not answer: it is asked again sooner, and not each time, so that one that hangs does not make everybody wait.
    Partial,
}

/// A shorter time than that of a whole answer by this.
const PARTIAL: u32 = 4;

/// Answers that are kept, the oldest first.
#[derive(Debug)]
pub(crate) struct Answers {
    ttl: Duration,
    most: usize,
    kept: Mutex<VecDeque<Kept>>,
}

#[derive(Debug)]
struct Kept {
    question: Question,
    answer: Answer,
    since: Instant,
    ttl: Duration,
}

impl Kept {
    fn is_fresh(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) < self.ttl
    }
}

impl Answers {
    pub(crate) fn new(ttl: Duration, most: usize) -> Self {
        Self { ttl, most, kept: Mutex::default() }
    }

    /// What was answered lately.
    pub(crate) fn get(&self, question: &Question, now: Instant) -> Option<Answer> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let found = kept.iter().rfind(|kept| kept.question == *question)?;
        found.is_fresh(now).then(|| found.answer.clone())
    }

    /// Keeps an answer, if any is kept at all.
    pub(crate) fn put(&self, question: Question, answer: Answer, belief: Belief, now: Instant) {
        if self.ttl.is_zero() || self.most == 0 {
            return;
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|kept| kept.question != question && kept.is_fresh(now));
        while kept.len() >= self.most {
            kept.pop_front();
        }
        let ttl = if belief == Belief::Whole { self.ttl } else { self.ttl / PARTIAL };
        kept.push_back(Kept { question, answer, since: now, ttl });
    }

    /// A peer has something new.
    pub(crate) fn forget(&self) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(name: &str) -> Question {
        Question::Version(format!("lab/{name}").parse().unwrap(), String::new())
    }

    fn answer(seed: u8) -> Answer {
        Answer::Version(VersionId::from_bytes([seed; 32]))
    }

    fn found(answers: &Answers, name: &str, now: Instant) -> Option<u8> {
        match answers.get(&question(name), now)? {
            Answer::Version(id) => Some(id.as_bytes()[0]),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_answer_is_believed_for_its_time_and_until_there_is_news() {
        let (answers, now) = (Answers::new(Duration::from_secs(10), 2), bib_kit::clock::monotonic());
        answers.put(question("a"), answer(1), Belief::Whole, now);
        assert_eq!((found(&answers, "a", now), found(&answers, "b", now)), (Some(1), None));
        assert_eq!(found(&answers, "a", now + Duration::from_secs(9)), Some(1));
        assert_eq!(found(&answers, "a", now + Duration::from_secs(10)), None);
        answers.forget();
        assert_eq!(found(&answers, "a", now), None);
    }

    #[test]
    fn what_only_some_answered_is_believed_for_a_shorter_time() {
        let (answers, now) = (Answers::new(Duration::from_secs(20), 2), bib_kit::clock::monotonic());
        answers.put(question("a"), answer(1), Belief::Partial, now);
        assert_eq!(found(&answers, "a", now + Duration::from_secs(4)), Some(1));
        assert_eq!(found(&answers, "a", now + Duration::from_secs(5)), None);
        answers.put(question("a"), answer(2), Belief::Whole, now);
        assert_eq!(found(&answers, "a", now + Duration::from_secs(19)), Some(2));
    }

    #[test]
    fn the_oldest_goes_first_and_a_newer_answer_replaces() {
        let (answers, now) = (Answers::new(Duration::from_secs(10), 2), bib_kit::clock::monotonic());
        for (name, seed) in [("a", 1), ("b", 2), ("a", 3), ("c", 4)] {
            answers.put(question(name), answer(seed), Belief::Whole, now);
        }
        assert_eq!(["a", "b", "c"].map(|name| found(&answers, name, now)), [Some(3), None, Some(4)]);
    }

    #[test]
    fn without_a_time_nothing_is_kept() {
        let (answers, now) = (Answers::new(Duration::ZERO, 2), bib_kit::clock::monotonic());
        answers.put(question("a"), answer(1), Belief::Whole, now);
        assert_eq!(found(&answers, "a", now), None);
    }
}
