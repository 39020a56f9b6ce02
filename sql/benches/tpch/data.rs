//! The eight tables: generated, and brought to the types that attributes have.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use datafusion::arrow::error::ArrowError;
use tpchgen::generators::{
    CustomerGenerator, LineItemGenerator, NationGenerator, OrderGenerator, PartGenerator,
    PartSuppGenerator, RegionGenerator, SupplierGenerator,
};
use tpchgen_arrow::{
    CustomerArrow, LineItemArrow, NationArrow, OrderArrow, PartArrow, PartSuppArrow, RegionArrow,
    SupplierArrow,
};

/// Rows of a table, some thousands at a time.
pub(crate) type Batches = Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>> + Send>;

/// A table of TPC-H.
pub(crate) struct Table {
    /// What it is called.
    pub(crate) name: &'static str,
    /// Its keys and the keys of other tables in it, which have an index by value.
    pub(crate) indexed: &'static [&'static str],
    generated: fn(f64) -> Batches,
}

/// All tables, the small ones first.
pub(crate) const TABLES: [Table; 8] = [
    Table {
        name: "region",
        indexed: &["r_regionkey"],
        generated: |scale| Box::new(RegionArrow::new(RegionGenerator::new(scale, 1, 1))),
    },
    Table {
        name: "nation",
        indexed: &["n_nationkey", "n_regionkey"],
        generated: |scale| Box::new(NationArrow::new(NationGenerator::new(scale, 1, 1))),
    },
    Table {
        name: "supplier",
        indexed: &["s_suppkey", "s_nationkey"],
        generated: |scale| Box::new(SupplierArrow::new(SupplierGenerator::new(scale, 1, 1))),
    },
    Table {
        name: "customer",
        indexed: &["c_custkey", "c_nationkey"],
        generated: |scale| Box::new(CustomerArrow::new(CustomerGenerator::new(scale, 1, 1))),
    },
    Table {
        name: "part",
        indexed: &["p_partkey"],
        generated: |scale| Box::new(PartArrow::new(PartGenerator::new(scale, 1, 1))),
    },
    Table {
        name: "partsupp",
        indexed: &["ps_partkey", "ps_suppkey"],
        generated: |scale| Box::new(PartSuppArrow::new(PartSuppGenerator::new(scale, 1, 1))),
    },
    Table {
        name: "orders",
        indexed: &["o_orderkey", "o_custkey", "o_orderdate"],
        generated: |scale| Box::new(OrderArrow::new(OrderGenerator::new(scale, 1, 1))),
    },
    Table {
        name: "lineitem",
        indexed: &["l_orderkey", "l_partkey", "l_suppkey", "l_shipdate"],
        generated: |scale| Box::new(LineItemArrow::new(LineItemGenerator::new(scale, 1, 1))),
    },
];

impl Table {
    /// Its rows at a scale: whole numbers of 64 bits, doubles for decimals, instants for dates, texts.
    pub(crate) fn batches(
        &self,
        scale: f64,
    ) -> impl Iterator<Item = Result<RecordBatch, ArrowError>> + Send + use<> {
        (self.generated)(scale).map(|batch| as_attributes(&batch?))
    }
}

fn as_attributes(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let schema = batch.schema();
    let fields = schema.fields().iter().map(|field| {
        let data_type = match field.data_type() {
            DataType::Int32 => DataType::Int64,
            DataType::Decimal128(..) => DataType::Float64,
            DataType::Date32 => DataType::Timestamp(TimeUnit::Millisecond, Some("+00:00".into())),
            other => other.clone(),
        };
        Field::new(field.name(), data_type, true)
    });
    let fields: Vec<Field> = fields.collect();
    let arrays = batch.columns().iter().zip(&fields);
    let arrays: Vec<ArrayRef> = arrays
        .map(|(array, field)| cast(array, field.data_type()))
        .collect::<Result<_, _>>()?;
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
}
