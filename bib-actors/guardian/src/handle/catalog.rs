//! Verbs of the catalogue: topics, datasets, versions, manifests.

use super::GuardianHandle;
use crate::error::GuardianError;
use crate::handlers::record_manifest;
use crate::messages::AskManifest;
use crate::ops::datasets::{GetDataset, ListDatasets};
use crate::ops::page::Page;
use crate::ops::publish::{HasPublished, MarkComplete, Publish};
use crate::ops::topics::{CreateTopic, GetTopic, ListTopics, SetSubscribed};
use crate::ops::versions::{FindVersion, IncompleteVersions, Versions};
use crate::rows::{CatalogPage, DatasetRow, NewTopic, Published, Topic, VersionRow, VersionState};
use bib_chunks::SignedManifest;
use bib_domain::{DatasetRef, OpContext, TopicName, VersionId};
use std::sync::Arc;

impl GuardianHandle {
    /// Makes a topic.
    ///
    /// # Errors
    /// [`GuardianError::TopicExists`], unless `new.if_not_exists`; else as every change.
    pub async fn create_topic(&self, cx: &OpContext, new: NewTopic) -> Result<Topic, GuardianError> {
        self.change(CreateTopic::new(cx.clone(), new)).await
    }

    /// Topics after a name, in the order of names; 0 asks for the largest page.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn list_topics(&self, after: Option<TopicName>, limit: u32) -> Result<Vec<Topic>, GuardianError> {
        self.look(ListTopics { after, limit: self.page(limit) }).await
    }

    /// One topic.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn get_topic(&self, name: &TopicName) -> Result<Option<Topic>, GuardianError> {
        self.look(GetTopic { name: name.clone() }).await
    }

    /// Subscribes this node to a topic, or leaves it. What is here stays here.
    ///
    /// # Errors
    /// [`GuardianError::TopicNotFound`]; else as every change.
    pub async fn set_subscribed(
        &self,
        cx: &OpContext,
        topic: &TopicName,
        subscribed: bool,
    ) -> Result<Topic, GuardianError> {
        self.change(SetSubscribed { cx: cx.clone(), topic: topic.clone(), subscribed }).await
    }

    /// Stores a signed version. A retry with the same request id gets the version of the first try; a version that is
    /// here already is returned with `created: false`.
    ///
    /// # Errors
    /// [`GuardianError::TopicNotFound`], [`GuardianError::NumberTaken`] when this node signed another version with the
    /// same number meanwhile, [`GuardianError::BadManifest`]; else as every change.
    pub async fn publish(
        &self,
        cx: &OpContext,
        manifest: Arc<SignedManifest>,
        state: VersionState,
    ) -> Result<Published, GuardianError> {
        self.change(Publish::new(cx.clone(), manifest, state, &self.limits.own_key)?).await
    }

    /// Says that every chunk of a version is durable in this node's store.
    ///
    /// # Errors
    /// [`GuardianError::NoSuchVersion`]; else as every change.
    pub async fn mark_complete(&self, cx: &OpContext, id: VersionId) -> Result<VersionRow, GuardianError> {
        self.change(MarkComplete { cx: cx.clone(), id }).await
    }

    /// Versions of which chunks are missing, oldest first, as many as one page holds.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn incomplete_versions(&self) -> Result<Vec<VersionId>, GuardianError> {
        self.look(IncompleteVersions { limit: self.limits.page }).await
    }

    /// Datasets after a name, in the order of names, of one topic or of all; 0 asks for the largest page.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn list_datasets(
        &self,
        topic: Option<TopicName>,
        after: Option<DatasetRef>,
        limit: u32,
    ) -> Result<Vec<DatasetRow>, GuardianError> {
        self.look(ListDatasets { topic, after, limit: self.page(limit) }).await
    }

    /// One dataset.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn get_dataset(&self, name: &DatasetRef) -> Result<Option<DatasetRow>, GuardianError> {
        self.look(GetDataset { name: name.clone() }).await
    }

    /// The versions of a dataset, latest first, as many as one page holds.
    ///
    /// # Errors
    /// [`GuardianError::DatasetNotFound`], or if the database cannot be read.
    pub async fn versions(&self, dataset: &DatasetRef) -> Result<Vec<VersionRow>, GuardianError> {
        self.versions_after(dataset, None, 0).await
    }

    /// Versions of a dataset after the one with a number, a time and an id, latest first, which need not be there any more;
    /// 0 asks for the largest page.
    ///
    /// # Errors
    /// [`GuardianError::DatasetNotFound`] where the list begins, or if the database cannot be read.
    pub async fn versions_after(
        &self,
        dataset: &DatasetRef,
        after: Option<(u64, i64, VersionId)>,
        limit: u32,
    ) -> Result<Vec<VersionRow>, GuardianError> {
        self.look(Versions { dataset: dataset.clone(), after, limit: self.page(limit) }).await
    }

    /// Whether the request of `cx` has published a version of a dataset, whatever its caller heard.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn has_published(&self, cx: &OpContext, dataset: &DatasetRef) -> Result<bool, GuardianError> {
        self.look(HasPublished { request: cx.request_id, dataset: dataset.clone() }).await
    }

    /// One version: the latest for an empty selector, else by number or by the beginning of its id. The latest is the
    /// latest that is whole here, or the latest if none is.
    ///
    /// # Errors
    /// [`GuardianError::DatasetNotFound`], [`GuardianError::VersionNotFound`], [`GuardianError::Ambiguous`], or if the
    /// database cannot be read.
    pub async fn find_version(&self, dataset: &DatasetRef, selector: &str) -> Result<VersionRow, GuardianError> {
        self.look(FindVersion { dataset: dataset.clone(), selector: selector.to_owned() }).await
    }

    /// The signed manifest of a version, verified when it was read.
    ///
    /// # Errors
    /// [`GuardianError::ManifestHurt`] when its file is not what it was, or if the database cannot be read.
    pub async fn manifest(&self, id: VersionId) -> Result<Option<Arc<SignedManifest>>, GuardianError> {
        let cx = self.reader();
        if let Some(manifest) = self.shortcut.recall.manifest(id) {
            record_manifest(&*self.shortcut.ledger, &cx, id).await;
            tokio::task::consume_budget().await;
            return Ok(Some(manifest));
        }
        self.to.ask_as(cx.request_id, AskManifest { cx, id }, self.limits.deadline).await?
    }

    /// What came into the catalogue after a position: topics, and versions that are whole here. 0 asks for the largest
    /// page.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn catalog_page(&self, after: u64, limit: u32) -> Result<CatalogPage, GuardianError> {
        self.look(Page { after, limit: self.page(limit) }).await
    }
}
