//! Rows as a file that a browser saves. Bytes pass through in pieces, and when the node breaks off, so does the answer:
//! half a file never looks like a whole one.

use crate::download;
use crate::error::PageError;
use actix_web::HttpResponse;
use bib_proto::client::Client;
use bib_proto::v1::export_response::Part;
use bib_proto::v1::{ExportRequest, ExportResponse, View};
use bytes::Bytes;
use futures::stream::{self, Stream};
use tonic::Streaming;

/// All rows of a view in a format; `name` is the file's name without its ending.
pub(crate) async fn file(client: Client, view: View, format: &str, name: &str) -> Result<HttpResponse, PageError> {
    let request = ExportRequest { view: Some(view), format: format.to_owned(), ..Default::default() };
    let mut parts = client.queries().export(request).await?.into_inner();
    // the first message says what it will be; what is wrong with the view is known by then
    let Some(Part::Header(header)) = parts.message().await?.and_then(|message| message.part) else {
        return Err(PageError::Broken);
    };
    let mut answer = download::answer(&format!("{name}.{}", header.extension));
    Ok(answer.content_type(header.media_type).streaming(pieces(parts)))
}

fn pieces(parts: Streaming<ExportResponse>) -> impl Stream<Item = Result<Bytes, actix_web::Error>> {
    stream::try_unfold(parts, |mut parts| async move {
        loop {
            match parts.message().await.map_err(download::broken)?.map(|message| message.part) {
                Some(Some(Part::Data(data))) if !data.is_empty() => {
                    return Ok(Some((Bytes::from(data), parts)));
                }
                Some(Some(Part::Summary(_))) => return Ok(None),
                Some(_) => {}
                None => return Err(download::broken("it has no summary")),
            }
        }
    })
}
