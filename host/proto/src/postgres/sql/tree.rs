//! The allow-list of syntax: every node type a statement may hold, and every place in it where
//! another node can sit.
//!
//! A node type that is not listed here cannot be walked, and a statement that holds one is
//! refused. A field that is missing here would be a blind spot: a test counts the nodes
//! of the printed tree against those visited.

use pg_query::{Node, NodeRef, protobuf};

/// A node type that the walker does not know.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct UnknownNode;

/// Something that may hold nodes: a list, or an optional node.
trait Children {
    fn each<'a>(&'a self, visit: &mut dyn FnMut(NodeRef<'a>));
}

/// Something that is one node, unless it is the empty entry PostgreSQL puts into some lists.
trait Single {
    fn single(&self) -> Option<NodeRef<'_>>;
}

impl Single for Node {
    fn single(&self) -> Option<NodeRef<'_>> {
        self.node.as_ref().map(pg_query::NodeEnum::to_ref)
    }
}

impl<T: Single> Single for Box<T> {
    fn single(&self) -> Option<NodeRef<'_>> {
        (**self).single()
    }
}

impl<T: Single> Children for Option<T> {
    fn each<'a>(&'a self, visit: &mut dyn FnMut(NodeRef<'a>)) {
        if let Some(node) = self.as_ref().and_then(Single::single) {
            visit(node);
        }
    }
}

impl<T: Single> Children for Vec<T> {
    fn each<'a>(&'a self, visit: &mut dyn FnMut(NodeRef<'a>)) {
        for node in self.iter().filter_map(Single::single) {
            visit(node);
        }
    }
}

macro_rules! single {
    ($($name:ident),* $(,)?) => {
        $(impl Single for protobuf::$name {
            fn single(&self) -> Option<NodeRef<'_>> {
                Some(NodeRef::$name(self))
            }
        })*
    };
}

single! {
    Alias,
    CollateClause,
    CreateStmt,
    FuncCall,
    GrantStmt,
    InferClause,
    IntoClause,
    JsonAggConstructor,
    JsonBehavior,
    JsonFormat,
    JsonKeyValue,
    JsonOutput,
    JsonReturning,
    JsonTablePathSpec,
    JsonValueExpr,
    ObjectWithArgs,
    OnConflictClause,
    PartitionBoundSpec,
    PartitionSpec,
    PublicationTable,
    RangeVar,
    ReturningClause,
    RoleSpec,
    SelectStmt,
    String,
    TypeName,
    VariableSetStmt,
    WindowDef,
    WithClause,
}

impl Single for protobuf::CteCycleClause {
    fn single(&self) -> Option<NodeRef<'_>> {
        Some(NodeRef::CtecycleClause(self))
    }
}

impl Single for protobuf::CteSearchClause {
    fn single(&self) -> Option<NodeRef<'_>> {
        Some(NodeRef::CtesearchClause(self))
    }
}

macro_rules! tree {
    ($($name:ident { $($field:ident)* }),* $(,)?) => {
        /// Calls `visit` with each node directly under `node` and the name of the field it sits in.
        ///
        /// # Errors
        ///
        /// [`UnknownNode`] if the node's type is not on the list.
        #[allow(clippy::too_many_lines, reason = "a table, one line a node type")]
        pub(super) fn children<'a>(
            node: NodeRef<'a>,
            visit: &mut dyn FnMut(&'static str, NodeRef<'a>),
        ) -> Result<(), UnknownNode> {
            match node {
                $(NodeRef::$name(_node) => {
                    $(_node.$field.each(&mut |child| visit(stringify!($field), child));)*
                    Ok(())
                })*
                _ => Err(UnknownNode),
            }
        }

        /// Returns the node type's name, for messages; `None` if it is not on the list.
        pub(super) fn name(node: NodeRef<'_>) -> Option<&'static str> {
            match node {
                $(NodeRef::$name(_) => Some(stringify!($name)),)*
                _ => None,
            }
        }
    };
}

tree! {
    // Expressions.
    AConst {},
    ParamRef {},
    ColumnRef { fields },
    AStar {},
    AExpr { name lexpr rexpr },
    BoolExpr { args },
    NullTest { arg },
    BooleanTest { arg },
    TypeCast { arg type_name },
    TypeName { names typmods array_bounds },
    CollateClause { arg collname },
    FuncCall { funcname args agg_order agg_filter over },
    WindowDef { partition_clause order_clause start_offset end_offset },
    SortBy { node use_op },
    NamedArgExpr { arg },
    CaseExpr { arg args defresult },
    CaseWhen { expr result },
    CoalesceExpr { args },
    MinMaxExpr { args },
    SqlvalueFunction {},
    GroupingFunc { args refs },
    GroupingSet { content },
    AArrayExpr { elements },
    AIndirection { arg indirection },
    AIndices { lidx uidx },
    RowExpr { args colnames },
    SubLink { testexpr oper_name subselect },
    SetToDefault {},
    CurrentOfExpr {},
    MergeSupportFunc {},
    MultiAssignRef { source },
    XmlExpr { named_args arg_names args },
    XmlSerialize { expr type_name },
    // JSON expressions.
    JsonFormat {},
    JsonReturning { format },
    JsonValueExpr { raw_expr formatted_expr format },
    JsonIsPredicate { expr format },
    JsonBehavior { expr },
    JsonOutput { type_name returning },
    JsonArgument { val },
    JsonFuncExpr { context_item pathspec passing output on_empty on_error },
    JsonTablePathSpec { string },
    JsonTable { context_item pathspec passing columns on_error alias },
    JsonTableColumn { type_name pathspec format columns on_empty on_error },
    JsonKeyValue { key value },
    JsonParseExpr { expr output },
    JsonScalarExpr { expr output },
    JsonSerializeExpr { expr output },
    JsonObjectConstructor { exprs output },
    JsonArrayConstructor { exprs output },
    JsonArrayQueryConstructor { query output format },
    JsonAggConstructor { output agg_filter agg_order over },
    JsonObjectAgg { constructor arg },
    JsonArrayAgg { constructor arg },
    // Queries and their parts.
    SelectStmt { distinct_clause into_clause target_list from_clause where_clause group_clause having_clause window_clause values_lists sort_clause limit_offset limit_count locking_clause with_clause larg rarg },
    InsertStmt { relation cols select_stmt on_conflict_clause returning_clause with_clause },
    UpdateStmt { relation target_list where_clause from_clause returning_clause with_clause },
    DeleteStmt { relation using_clause where_clause returning_clause with_clause },
    MergeStmt { relation source_relation join_condition merge_when_clauses returning_clause with_clause },
    MergeWhenClause { condition target_list values },
    ResTarget { indirection val },
    WithClause { ctes },
    CommonTableExpr { aliascolnames ctequery search_clause cycle_clause ctecolnames ctecoltypes ctecoltypmods ctecolcollations },
    CtesearchClause { search_col_list },
    CtecycleClause { cycle_col_list cycle_mark_value cycle_mark_default },
    RangeVar { alias },
    Alias { colnames },
    RangeSubselect { subquery alias },
    RangeFunction { functions alias coldeflist },
    RangeTableFunc { docexpr rowexpr namespaces columns alias },
    RangeTableFuncCol { type_name colexpr coldefexpr },
    RangeTableSample { relation method args repeatable },
    JoinExpr { larg rarg using_clause join_using_alias quals alias },
    IntoClause { rel col_names options },
    LockingClause { locked_rels },
    OnConflictClause { infer target_list where_clause },
    InferClause { index_elems where_clause },
    IndexElem { expr collation opclass opclassopts },
    ReturningClause { options exprs },
    ReturningOption {},
    ReturnStmt { returnval },
    // Values and lists.
    Integer {},
    Float {},
    Boolean {},
    String {},
    BitString {},
    List { items },
    IntList { items },
    RoleSpec {},
    DefElem { arg },
    ObjectWithArgs { objname objargs objfuncargs },
    // Utility statements and their parts.
    AccessPriv { cols },
    AlterCollationStmt { collname },
    AlterDatabaseRefreshCollStmt {},
    AlterDatabaseSetStmt { setstmt },
    AlterDatabaseStmt { options },
    AlterDefaultPrivilegesStmt { options action },
    AlterDomainStmt { type_name def },
    AlterEnumStmt { type_name },
    AlterEventTrigStmt {},
    AlterExtensionContentsStmt { object },
    AlterExtensionStmt { options },
    AlterFdwStmt { func_options options },
    AlterForeignServerStmt { options },
    AlterFunctionStmt { func actions },
    AlterObjectDependsStmt { relation object extname },
    AlterObjectSchemaStmt { relation object },
    AlterOpFamilyStmt { opfamilyname items },
    AlterOperatorStmt { opername options },
    AlterOwnerStmt { relation object newowner },
    AlterPolicyStmt { table roles qual with_check },
    AlterPublicationStmt { options pubobjects },
    AlterRoleSetStmt { role setstmt },
    AlterRoleStmt { role options },
    AlterSeqStmt { sequence options },
    AlterStatsStmt { defnames stxstattarget },
    AlterSubscriptionStmt { publication options },
    AlterSystemStmt { setstmt },
    AlterTableCmd { newowner def },
    AlterTableMoveAllStmt { roles },
    AlterTableSpaceOptionsStmt { options },
    AlterTableStmt { relation cmds },
    AlterTsconfigurationStmt { cfgname tokentype dicts },
    AlterTsdictionaryStmt { dictname options },
    AlterTypeStmt { type_name options },
    AlterUserMappingStmt { user options },
    AtalterConstraint {},
    CallStmt { funccall outargs },
    CheckPointStmt {},
    ClosePortalStmt {},
    ClusterStmt { relation params },
    ColumnDef { type_name raw_default identity_sequence coll_clause constraints fdwoptions },
    CommentStmt { object },
    CompositeTypeStmt { typevar coldeflist },
    Constraint { raw_expr keys including exclusions options where_clause pktable fk_attrs pk_attrs fk_del_set_cols old_conpfeqop },
    ConstraintsSetStmt { constraints },
    CopyStmt { relation query attlist options where_clause },
    CreateAmStmt { handler_name },
    CreateCastStmt { sourcetype targettype func },
    CreateConversionStmt { conversion_name func_name },
    CreateDomainStmt { domainname type_name coll_clause constraints },
    CreateEnumStmt { type_name vals },
    CreateEventTrigStmt { whenclause funcname },
    CreateExtensionStmt { options },
    CreateFdwStmt { func_options options },
    CreateForeignServerStmt { options },
    CreateForeignTableStmt { base_stmt options },
    CreateFunctionStmt { funcname parameters return_type options sql_body },
    CreateOpClassItem { name order_family class_args storedtype },
    CreateOpClassStmt { opclassname opfamilyname datatype items },
    CreateOpFamilyStmt { opfamilyname },
    CreatePlangStmt { plhandler plinline plvalidator },
    CreatePolicyStmt { table roles qual with_check },
    CreatePublicationStmt { options pubobjects },
    CreateRangeStmt { type_name params },
    CreateRoleStmt { options },
    CreateSchemaStmt { authrole schema_elts },
    CreateSeqStmt { sequence options },
    CreateStatsStmt { defnames stat_types exprs relations },
    CreateStmt { relation table_elts inh_relations partbound partspec of_typename constraints nnconstraints options },
    CreateSubscriptionStmt { publication options },
    CreateTableAsStmt { query into },
    CreateTableSpaceStmt { owner options },
    CreateTransformStmt { type_name fromsql tosql },
    CreateTrigStmt { relation funcname args columns when_clause transition_rels constrrel },
    CreateUserMappingStmt { user options },
    CreatedbStmt { options },
    DeallocateStmt {},
    DeclareCursorStmt { query },
    DefineStmt { defnames args definition },
    DiscardStmt {},
    DoStmt { args },
    DropOwnedStmt { roles },
    DropRoleStmt { roles },
    DropStmt { objects },
    DropSubscriptionStmt {},
    DropTableSpaceStmt {},
    DropUserMappingStmt { user },
    DropdbStmt { options },
    ExecuteStmt { params },
    ExplainStmt { query options },
    FetchStmt {},
    FunctionParameter { arg_type defexpr },
    GrantRoleStmt { granted_roles grantee_roles opt grantor },
    GrantStmt { objects privileges grantees grantor },
    ImportForeignSchemaStmt { table_list options },
    IndexStmt { relation index_params index_including_params options where_clause exclude_op_names },
    ListenStmt {},
    LoadStmt {},
    LockStmt { relations },
    NotifyStmt {},
    PartitionBoundSpec { listdatums lowerdatums upperdatums },
    PartitionCmd { name bound },
    PartitionElem { expr collation opclass },
    PartitionRangeDatum { value },
    PartitionSpec { part_params },
    PrepareStmt { argtypes query },
    PublicationObjSpec { pubtable },
    PublicationTable { relation where_clause columns },
    ReassignOwnedStmt { roles newrole },
    RefreshMatViewStmt { relation },
    ReindexStmt { relation params },
    RenameStmt { relation object },
    ReplicaIdentityStmt {},
    RuleStmt { relation where_clause actions },
    SecLabelStmt { object },
    StatsElem { expr },
    TableLikeClause { relation },
    TransactionStmt { options },
    TriggerTransition {},
    TruncateStmt { relations },
    UnlistenStmt {},
    VacuumRelation { relation va_cols },
    VacuumStmt { options rels },
    VariableSetStmt { args },
    VariableShowStmt {},
    ViewStmt { view aliases query options },
}
