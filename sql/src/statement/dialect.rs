//! The SQL that is read: that of DataFusion, and tables as of a point in time.

use std::any::TypeId;

use datafusion::sql::sqlparser::dialect::{Dialect, GenericDialect};

const GENERIC: GenericDialect = GenericDialect {};

/// Generic SQL with `FROM person FOR SYSTEM_TIME AS OF …`, `VERSION AS OF …`, `TIMESTAMP AS OF …`.
#[derive(Debug)]
pub(super) struct TimedDialect;

macro_rules! as_generic {
    ($($name:ident)*) => {
        impl Dialect for TimedDialect {
            fn dialect(&self) -> TypeId {
                TypeId::of::<GenericDialect>()
            }

            fn supports_table_versioning(&self) -> bool {
                true
            }

            fn is_delimited_identifier_start(&self, ch: char) -> bool {
                GENERIC.is_delimited_identifier_start(ch)
            }

            fn is_identifier_start(&self, ch: char) -> bool {
                GENERIC.is_identifier_start(ch)
            }

            fn is_identifier_part(&self, ch: char) -> bool {
                GENERIC.is_identifier_part(ch)
            }

            $(fn $name(&self) -> bool {
                GENERIC.$name()
            })*
        }
    };
}

as_generic! {
    supports_unicode_string_literal
    supports_group_by_expr
    supports_group_by_with_modifier
    supports_left_associative_joins_without_parens
    supports_window_function_null_treatment_arg
    supports_dictionary_syntax
    supports_window_clause_named_window_reference
    supports_select_wildcard_except
    supports_select_wildcard_exclude
    supports_select_wildcard_replace
    supports_select_wildcard_rename
    support_map_literal_syntax
    allow_extract_custom
    allow_extract_single_quotes
    supports_extract_comma_syntax
    supports_parens_around_table_factor
    supports_values_as_table_factor
    supports_explain_with_utility_options
    supports_limit_comma
    supports_from_first_select
    supports_projection_trailing_commas
    supports_try_convert
    supports_bitwise_shift_operators
    supports_named_fn_args_with_assignment_operator
    supports_struct_literal
    supports_empty_projections
    supports_nested_comments
    supports_string_escape_constant
    supports_array_typedef_with_brackets
    supports_filter_during_aggregation
    supports_interval_options
    supports_partition_by_after_order_by
    supports_pipe_operator
}
