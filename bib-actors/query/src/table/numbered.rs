//! A table with the position of each row as one more column. Owns the counting: it stands directly on the scan, which
//! reads the files in order and on one partition, and nothing that drops rows is pushed below it.

use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, UInt64Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_expr::{EquivalenceProperties, Partitioning};
use datafusion::physical_plan::distribution_requirements::InputDistributionRequirements;
use datafusion::physical_plan::execution_plan::{
    Boundedness, ChildrenPropertiesMode, EmissionType, ReplaceChildrenOptions,
};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, Distribution, ExecutionPlan, PhysicalExpr, PlanProperties,
};
use futures::StreamExt;

use super::provider::ChunkTable;

/// A table and the positions of its rows, from 0, over all its files in their order.
#[derive(Debug)]
pub(crate) struct NumberedTable {
    table: Arc<ChunkTable>,
    schema: SchemaRef,
}

impl NumberedTable {
    /// The column of positions gets a name that no other column has, nor any of which `taken` is true.
    pub(crate) fn new(table: ChunkTable, taken: impl Fn(&str) -> bool) -> Self {
        let mut name = "row position".to_owned();
        while table.schema.field_with_name(&name).is_ok() || taken(&name) {
            name.push('\'');
        }
        let fields = table.schema.fields().iter().cloned();
        let fields = fields.chain([Arc::new(Field::new(name, DataType::UInt64, false))]);
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        Self { table: Arc::new(table), schema }
    }

    /// The name of the column of positions.
    pub(crate) fn position(&self) -> &str {
        self.schema.field(self.schema.fields().len() - 1).name()
    }
}

#[async_trait]
impl TableProvider for NumberedTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let counted = self.schema.fields().len() - 1;
        let wanted = projection.cloned().unwrap_or_else(|| (0..=counted).collect());
        let columns: Vec<usize> = wanted.iter().copied().filter(|column| *column != counted).collect();
        let scan = self.table.scan(state, Some(&columns), filters, limit).await?;
        if columns.len() == wanted.len() {
            return Ok(scan);
        }
        let schema = Arc::new(self.schema.project(&wanted)?);
        let at = wanted.iter().position(|column| *column == counted);
        Ok(Arc::new(NumberedScan::new(scan, schema, at.unwrap_or(wanted.len()), self.table.first_row())))
    }
}

/// Counts the rows of a scan.
#[derive(Debug)]
struct NumberedScan {
    scan: Arc<dyn ExecutionPlan>,
    /// Where among the columns the positions stand.
    at: usize,
    /// The position of the first row.
    first: u64,
    properties: Arc<PlanProperties>,
}

impl NumberedScan {
    fn new(scan: Arc<dyn ExecutionPlan>, schema: SchemaRef, at: usize, first: u64) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Self { scan, at, first, properties: Arc::new(properties) }
    }
}

impl DisplayAs for NumberedScan {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NumberedScan")
    }
}

impl ExecutionPlan for NumberedScan {
    fn name(&self) -> &'static str {
        "NumberedScan"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        InputDistributionRequirements::new(vec![Distribution::SinglePartition])
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.scan]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match children.pop() {
            Some(scan) if children.is_empty() => Ok(Arc::new(Self::new(scan, self.schema(), self.at, self.first))),
            _ => internal_err!("the positions of rows stand on one scan"),
        }
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let (schema, at) = (self.schema(), self.at);
        let (target, mut next) = (Arc::clone(&schema), self.first);
        let numbered = self.scan.execute(partition, context)?.map(move |batch| {
            let batch = batch?;
            let rows = batch.num_rows() as u64;
            let positions: ArrayRef = Arc::new(UInt64Array::from_iter_values(next..next + rows));
            next += rows;
            let mut columns = batch.columns().to_vec();
            columns.insert(at, positions);
            Ok(RecordBatch::try_new(Arc::clone(&target), columns)?)
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, numbered)))
    }
}
