//! stub
use super::*;
/// stub
pub struct Embedded;
impl Embedded { /// stub
 pub fn new(_: crate::store::SnapshotHandle) -> Embedded { Embedded } }
#[allow(unused)]
impl Backend for Embedded {
 fn search(&self, r:&SearchRequest, row:&mut dyn FnMut(crate::flow::Stored)->std::ops::ControlFlow<()>)->Result<Summary,QueryFailure>{ Err(QueryFailure::Cancelled)}
 fn histogram(&self, r:&HistogramRequest)->Result<Histogram,QueryFailure>{ Err(QueryFailure::Cancelled)}
 fn fields(&self, r:&Scope)->Result<Vec<FieldInfo>,QueryFailure>{ Err(QueryFailure::Cancelled)}
 fn values(&self, r:&ValuesRequest)->Result<FieldValues,QueryFailure>{ Err(QueryFailure::Cancelled)}
 fn event(&self, r:crate::flow::EventId)->Result<Option<crate::flow::Stored>,QueryFailure>{ Err(QueryFailure::Cancelled)}
}
/// stub
pub struct Matcher;
impl Matcher { /// stub
 pub fn new(_:&logship_parsers::query::ast::Query,_:crate::event::Timestamp)->Matcher{Matcher}
 /// stub
 pub fn matches(&self,_:&crate::event::Event)->bool{true} }
