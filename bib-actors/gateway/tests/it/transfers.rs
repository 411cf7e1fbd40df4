//! What goes in comes out: the same bytes, folders and links, checked on the way.

use crate::support::{Item, Node, Person, download, download_so_far, replicated, run, said, upload};
use bib_proto::v1::{
    DownloadRequest, GetDatasetRequest, ListDatasetsRequest, ListVersionsRequest, VerifyReport, VerifyRequest,
    verify_response,
};
use tonic::Code;

fn ask(dataset: &str) -> DownloadRequest {
    DownloadRequest { dataset: dataset.to_owned(), ..Default::default() }
}

/// Bytes that do not repeat.
fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    };
    (0..length).map(|_| next()).collect()
}

fn tree() -> Vec<Item> {
    let mut run = Item::file("bin/run.sh", "#!/bin/sh\n");
    run.mode = 0o755;
    let mut items = vec![
        run,
        Item::file("big.bin", noise(9_000_000, 7)),
        Item::directory("empty", 0o750),
        Item::file("empty.txt", ""),
        Item::symlink("link", "sub/notes.txt"),
        Item::file("sub/notes.txt", "Ünï\n"),
        Item::file("sub/日本.csv", "a,b\n1,x\n2,y\n"),
    ];
    items.extend((0..200).map(|n| Item::file(&format!("small/{n:03}.txt"), noise(500 + n, n as u64))));
    items.sort_by(|a, b| a.path.as_bytes().cmp(b.path.as_bytes()));
    items
}

async fn verify(client: &bib_proto::client::Client, dataset: &str) -> VerifyReport {
    let request = VerifyRequest { dataset: dataset.to_owned(), ..Default::default() };
    let mut parts = client.datasets().verify(request).await.unwrap().into_inner();
    let mut done = 0;
    while let Some(message) = parts.message().await.unwrap() {
        match message.part {
            Some(verify_response::Part::Progress(now)) => {
                assert!(
                    now.bytes_done >= done && now.bytes_done <= now.bytes_total && now.chunks_done <= now.chunks_total
                );
                done = now.bytes_done;
            }
            Some(verify_response::Part::Report(report)) => return report,
            None => {}
        }
    }
    panic!("no report");
}

#[test]
fn a_folder_comes_back_byte_for_byte() {
    run(async {
        let node = Node::start().await;
        node.topic("lab").await;
        let rosa = node.client(Person::Rosa).await;
        let items = tree();
        let made = upload(&rosa, "lab/tree", &items).await.unwrap();
        let version = made.version.unwrap();
        assert!(made.created && made.new_chunks > 0 && made.audit_seq > 0);
        assert_eq!((version.number, version.complete, version.files), (1, true, 205));
        assert_eq!(version.publisher, node.identity.node_id().as_str());

        let reader = node.client(Person::Rita).await;
        let got = download(&reader, ask("lab/tree")).await.unwrap();
        assert_eq!(got.version.id, version.id);
        let mut wanted = items.clone();
        wanted
            .iter_mut()
            .filter(|item| item.kind == "symlink")
            .for_each(|item| item.mode = got_mode(&got.items, &item.path));
        assert_eq!(got.items, wanted);
        let csv = got.entries.iter().find(|entry| entry.path.ends_with(".csv")).unwrap();
        assert!(csv.media_type.starts_with("text/csv"), "{}", csv.media_type);
        let schema = csv.schema.as_ref().unwrap();
        assert_eq!((schema.columns.len(), schema.rows), (2, 2));

        let report = verify(&reader, "lab/tree").await;
        assert!(report.ok && report.signature_ok && report.damage.is_empty(), "{report:?}");
        assert_eq!(report.version, version.id);
    });
}

fn got_mode(items: &[Item], path: &str) -> u32 {
    items.iter().find(|item| item.path == path).unwrap().mode
}

#[test]
fn parts_of_a_version_and_older_versions_can_be_had() {
    run(async {
        let node = Node::start().await;
        node.topic("lab").await;
        let rosa = node.client(Person::Rosa).await;
        let first = upload(&rosa, "lab/d", &[Item::file("a/x", "1"), Item::file("a/y", "2"), Item::file("ab", "3")])
            .await
            .unwrap();
        let second = upload(&rosa, "lab/d", &[Item::file("a/x", "one")]).await.unwrap();
        let (first, second) = (first.version.unwrap(), second.version.unwrap());
        assert_eq!((second.number, &second.parents), (2, &vec![first.id.clone()]));

        let paths = |paths: &[&str]| DownloadRequest {
            version: "1".into(),
            paths: paths.iter().map(|&path| path.to_owned()).collect(),
            ..ask("lab/d")
        };
        let names = |items: &[Item]| items.iter().map(|item| item.path.clone()).collect::<Vec<_>>();
        assert_eq!(names(&download(&rosa, paths(&["a"])).await.unwrap().items), ["a/x", "a/y"]);
        assert_eq!(names(&download(&rosa, paths(&["a/y", "ab"])).await.unwrap().items), ["a/y", "ab"]);
        let missing = download(&rosa, paths(&["nothing"])).await.unwrap_err();
        assert_eq!(said(&missing), (Code::NotFound, "FILE_NOT_FOUND".into()));
        let by_prefix = DownloadRequest { version: first.id[..20].to_owned(), ..ask("lab/d") };
        assert_eq!(download(&rosa, by_prefix).await.unwrap().items.len(), 3);
        let gone = DownloadRequest { version: "9".into(), ..ask("lab/d") };
        assert_eq!(said(&download(&rosa, gone).await.unwrap_err()), (Code::NotFound, "VERSION_NOT_FOUND".into()));
        assert_eq!(said(&download(&rosa, ask("lab/none")).await.unwrap_err()).1, "DATASET_NOT_FOUND");

        let request = ListVersionsRequest { name: "lab/d".into(), ..Default::default() };
        let versions = rosa.datasets().list_versions(request).await.unwrap().into_inner();
        assert_eq!(versions.versions.iter().map(|version| version.number).collect::<Vec<_>>(), [2, 1]);
        let got = rosa
            .datasets()
            .get_dataset(GetDatasetRequest { name: "lab/d".into(), ..Default::default() })
            .await
            .unwrap();
        let got = got.into_inner();
        assert_eq!((got.version.unwrap().id, got.entries.len(), got.signature.len()), (second.id, 1, 128));
        assert_eq!(got.dataset.unwrap().versions, 2);
    });
}

#[test]
fn lists_come_in_pages() {
    run(async {
        let node = Node::start().await;
        node.topic("lab").await;
        let rosa = node.client(Person::Rosa).await;
        for n in 0..5 {
            upload(&rosa, &format!("lab/d{n}"), &[Item::file("x", n.to_string())]).await.unwrap();
        }
        let (mut names, mut token) = (Vec::new(), String::new());
        loop {
            let request =
                ListDatasetsRequest { topic: "lab".into(), page_size: 2, page_token: token, ..Default::default() };
            let page = rosa.datasets().list_datasets(request).await.unwrap().into_inner();
            assert!(page.datasets.len() <= 2);
            names.extend(page.datasets.into_iter().map(|dataset| dataset.name));
            token = page.next_page_token;
            if token.is_empty() {
                break;
            }
        }
        assert_eq!(names, ["lab/d0", "lab/d1", "lab/d2", "lab/d3", "lab/d4"]);
        let wrong = ListDatasetsRequest { page_token: "nonsense".into(), ..Default::default() };
        let refused = rosa.datasets().list_datasets(wrong).await.unwrap_err();
        assert_eq!(said(&refused), (Code::InvalidArgument, "BAD_PAGE_TOKEN".into()));
    });
}

#[test]
fn versions_come_in_pages() {
    run(async {
        // who does not say how many, and knows of no pages, gets them all: the bound of other lists is not theirs
        let node = Node::with(|options| options.calls.page_max = 4).await;
        node.topic("lab").await;
        let rosa = node.client(Person::Rosa).await;
        for n in 0..5 {
            upload(&rosa, "lab/d", &[Item::file("x", n.to_string())]).await.unwrap();
        }
        // two of one number are told apart where a page ends between them
        replicated(&node, "lab/d", &[Item::file("x", "theirs")], false).await;
        let get = |name: &str, page_size, page_token: &str| {
            let (mut datasets, page_token) = (rosa.datasets(), page_token.to_owned());
            let request = ListVersionsRequest { name: name.to_owned(), page_size, page_token };
            async move { datasets.list_versions(request).await.map(tonic::Response::into_inner) }
        };
        let whole = get("lab/d", 0, "").await.unwrap();
        assert_eq!((whole.versions.len(), whole.next_page_token.as_str()), (6, ""));
        for size in 1..=6 {
            let (mut found, mut token) = (Vec::new(), String::new());
            loop {
                let page = get("lab/d", size, &token).await.unwrap();
                assert!(!page.versions.is_empty() && page.versions.len() <= size as usize);
                found.extend(page.versions);
                token = page.next_page_token;
                if token.is_empty() {
                    break;
                }
            }
            assert_eq!(found, whole.versions, "pages of {size}");
        }
        let refused = get("lab/d", 0, "nonsense").await.unwrap_err();
        assert_eq!(said(&refused), (Code::InvalidArgument, "BAD_PAGE_TOKEN".into()));
        assert_eq!(said(&get("lab/none", 0, "").await.unwrap_err()).1, "DATASET_NOT_FOUND");
    });
}

#[test]
fn a_version_of_many_files_comes_in_several_answers() {
    run(async {
        let node = Node::with(|options| options.calls.entries_bytes = 1_000).await;
        node.topic("lab").await;
        let rosa = node.client(Person::Rosa).await;
        let items: Vec<Item> = (10..60).map(|n| Item::file(&format!("{n}.txt"), n.to_string())).collect();
        upload(&rosa, "lab/d", &items).await.unwrap();
        let first = rosa.whole_version("lab/d", "").await.unwrap();
        let paths: Vec<&str> = first.entries.iter().map(|entry| entry.path.as_str()).collect();
        assert_eq!(paths, items.iter().map(|item| item.path.as_str()).collect::<Vec<_>>());

        let get = |page_size, page_token: &str| {
            let (mut datasets, page_token) = (rosa.datasets(), page_token.to_owned());
            let request = GetDatasetRequest { name: "lab/d".into(), page_size, page_token, ..Default::default() };
            async move { datasets.get_dataset(request).await.map(tonic::Response::into_inner) }
        };
        let some = get(0, "").await.unwrap();
        assert!(some.entries.len() > 1 && some.entries.len() < 50, "{}", some.entries.len());
        assert_eq!(some.entries, first.entries[..some.entries.len()]);
        // who goes on does so in the same version, also when there is a newer one by then
        upload(&rosa, "lab/d", &items[..1]).await.unwrap();
        let next = get(3, &some.next_page_token).await.unwrap();
        assert_eq!(next.version.unwrap().id, first.version.as_ref().unwrap().id);
        assert_eq!(next.entries, first.entries[some.entries.len()..some.entries.len() + 3]);
        let refused = get(0, "nonsense").await.unwrap_err();
        assert_eq!(said(&refused), (Code::InvalidArgument, "BAD_PAGE_TOKEN".into()));
        let last = get(0, "").await.unwrap();
        assert_eq!((last.entries.len(), last.next_page_token.as_str()), (1, ""));
    });
}

/// Whether what came is the beginning of what there is: whole files, and the last one perhaps in part.
fn is_beginning(came: &[Item], all: &[Item]) -> bool {
    let Some((last, before)) = came.split_last() else { return true };
    let Some(whole) = all.get(before.len()) else { return false };
    let part = Item { bytes: last.bytes.clone(), ..whole.clone() };
    *before == all[..before.len()] && *last == part && whole.bytes.starts_with(&last.bytes)
}

#[test]
fn a_hurt_chunk_is_never_served_and_verify_names_the_file() {
    run(async {
        let node = Node::start().await;
        node.topic("lab").await;
        let rosa = node.client(Person::Rosa).await;
        let items = [Item::file("good.bin", noise(700_000, 1)), Item::file("hurt.bin", noise(700_000, 2))];
        upload(&rosa, "lab/d", &items).await.unwrap();
        let wrong = [Item::file("good.bin", noise(9, 2))];
        assert!(is_beginning(&[Item::file("good.bin", noise(9, 1))], &items) && !is_beginning(&wrong, &items));
        let signed = node.guardian.find_version(&"lab/d".parse().unwrap(), "").await.unwrap();
        let signed = node.guardian.manifest(signed.id).await.unwrap().unwrap();
        let hurt = signed.manifest().entry("hurt.bin").unwrap().segments()[0].chunk as usize;
        let name = signed.manifest().chunks[hurt].hash.to_hex();
        let path = node.dir().join("blobs").join(&name[..2]).join(&name[2..4]).join(&name);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[1000] ^= 1;
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, bytes).unwrap();

        let (came, refused) = download_so_far(&rosa, ask("lab/d")).await;
        let refused = refused.unwrap_err();
        assert_eq!(said(&refused), (Code::DataLoss, "CHUNK_DAMAGED".into()), "{refused:?}");
        assert!(is_beginning(&came.items, &items), "a wrong byte came before the refusal");
        let good = DownloadRequest { paths: vec!["good.bin".into()], ..ask("lab/d") };
        assert_eq!(download(&rosa, good).await.unwrap().items, items[..1]);
        let report = verify(&rosa, "lab/d").await;
        assert!(!report.ok && report.signature_ok);
        assert!(report.damage.iter().all(|damage| damage.path == "hurt.bin"), "{report:?}");
        // it is in quarantine now, which changes nothing for who reads it
        let (came, refused) = download_so_far(&rosa, ask("lab/d")).await;
        let refused = refused.unwrap_err();
        assert_eq!(said(&refused), (Code::DataLoss, "CHUNK_DAMAGED".into()), "{refused:?}");
        assert!(is_beginning(&came.items, &items), "a wrong byte came before the refusal");
        node.audited("dataset.download", "failed").await;
    });
}

#[test]
fn the_same_upload_mends_what_is_hurt() {
    run(async {
        let node = Node::start().await;
        node.topic("lab").await;
        let rosa = node.client(Person::Rosa).await;
        let items: Vec<_> = (0..4_u8).map(|n| Item::file(&format!("{n}.bin"), noise(700_000, n.into()))).collect();
        let first = upload(&rosa, "lab/d", &items).await.unwrap();
        let signed = node.guardian.find_version(&"lab/d".parse().unwrap(), "").await.unwrap();
        let signed = node.guardian.manifest(signed.id).await.unwrap().unwrap();
        let file = |n: usize| {
            let chunk = signed.manifest().entry(&format!("{n}.bin")).unwrap().segments()[0].chunk as usize;
            let name = signed.manifest().chunks[chunk].hash.to_hex();
            node.dir().join("blobs").join(&name[..2]).join(&name[2..4]).join(&name)
        };
        let mut bytes = std::fs::read(file(0)).unwrap();
        bytes[1000] ^= 1;
        std::fs::write(file(0), &bytes).unwrap();
        std::fs::write(file(1), &bytes[..bytes.len() / 2]).unwrap();
        std::fs::remove_file(file(2)).unwrap();

        let again = upload(&rosa, "lab/d", &items).await.unwrap();
        assert_eq!((again.created, again.new_chunks), (false, 3), "it is the same version, and what was hurt is new");
        assert_eq!(again.version.unwrap().id, first.version.unwrap().id);
        let report = verify(&rosa, "lab/d").await;
        assert!(report.ok, "{report:?}");
        assert_eq!(download(&rosa, ask("lab/d")).await.unwrap().items, items);
        node.audited("chunk.damaged", "failed").await;
    });
}
