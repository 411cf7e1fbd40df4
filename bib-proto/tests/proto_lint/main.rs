//! Rules for the `.proto` files: names, comments, requests and answers. `make proto-lint` runs it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod reference;

use prost::Message;
use prost_types::{DescriptorProto, FileDescriptorProto, FileDescriptorSet};

fn files() -> Vec<FileDescriptorProto> {
    let set = FileDescriptorSet::decode(bib_proto::FILE_DESCRIPTOR_SET).unwrap();
    set.file.into_iter().filter(|file| file.package() == "bib.v1").collect()
}

/// Paths of all commented places of a file, as `SourceCodeInfo` numbers them.
fn commented(file: &FileDescriptorProto) -> Vec<Vec<i32>> {
    let info = file.source_code_info.clone().unwrap_or_default();
    let has = |text: Option<&str>| text.is_some_and(|text| !text.trim().is_empty());
    info.location
        .iter()
        .filter(|place| has(place.leading_comments.as_deref()) || has(place.trailing_comments.as_deref()))
        .map(|place| place.path.clone())
        .collect()
}

fn is_camel(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_uppercase()) && name.chars().all(|c| c.is_ascii_alphanumeric())
}

fn is_snake(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && !name.contains("__")
}

#[test]
fn there_is_something_to_check() {
    let files = files();
    assert!(files.len() >= 8, "only {} files", files.len());
    assert!(files.iter().map(|file| file.service.len()).sum::<usize>() >= 7);
}

#[test]
fn names_follow_the_style() {
    fn check(message: &DescriptorProto) {
        assert!(is_camel(message.name()), "message {}", message.name());
        for field in &message.field {
            assert!(is_snake(field.name()), "field {}.{}", message.name(), field.name());
        }
        message.nested_type.iter().for_each(check);
    }
    for file in files() {
        file.message_type.iter().for_each(check);
        for service in &file.service {
            assert!(is_camel(service.name()) && service.name().ends_with("Service"), "service {}", service.name());
        }
    }
}

#[test]
fn every_method_has_a_request_and_an_answer_of_its_own() {
    let mut seen = std::collections::BTreeSet::new();
    for file in files() {
        for method in file.service.iter().flat_map(|service| &service.method) {
            for (kind, end) in [(method.input_type(), "Request"), (method.output_type(), "Response")] {
                let name = kind.rsplit('.').next().unwrap();
                assert_eq!(name, format!("{}{end}", method.name()), "method {}", method.name());
                assert!(seen.insert(name.to_owned()), "{name} is used by two methods");
            }
        }
    }
}

#[test]
fn every_service_says_what_it_is_for() {
    for file in files() {
        let commented = commented(&file);
        for (number, service) in file.service.iter().enumerate() {
            let path = vec![6, i32::try_from(number).unwrap()];
            let first = [path.clone(), vec![2, 0]].concat();
            let said = commented.contains(&path) || commented.contains(&first) || commented.contains(&vec![12]);
            assert!(said, "service {} has no comment", service.name());
        }
    }
}

#[test]
fn field_numbers_are_dense_or_reserved() {
    fn check(message: &DescriptorProto) {
        let mut numbers: Vec<i32> = message.field.iter().map(prost_types::FieldDescriptorProto::number).collect();
        numbers.sort_unstable();
        let reserved =
            |number: i32| message.reserved_range.iter().any(|range| range.start() <= number && number < range.end());
        let last = numbers.last().copied().unwrap_or(0);
        for number in 1..=last {
            assert!(
                numbers.contains(&number) || reserved(number),
                "{} lost field {number}: reserve it",
                message.name()
            );
        }
        message.nested_type.iter().for_each(check);
    }
    files().iter().for_each(|file| file.message_type.iter().for_each(check));
}
