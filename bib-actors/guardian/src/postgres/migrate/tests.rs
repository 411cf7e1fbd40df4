//! Migrations on a real server: up, down, up; changed and unknown ones.

use super::*;
use crate::credentials::Credentials;
use crate::migrations::POSTGRES;
use crate::postgres::PgDatabase;
use crate::postgres::scratch::on_a_server;
use crate::process::DATABASE;
use std::sync::Arc;

/// Tables, indexes, triggers, functions and grants of the schema.
async fn picture(admin: &mut Admin) -> Vec<Vec<String>> {
    let sql = "select 'relation ' || c.relname::text || ' ' || c.relkind::text || ' ' || coalesce(c.relacl::text, '') from pg_class c \
        where c.relnamespace = 'bib'::regnamespace and c.relname not like 'schema_migrations%' \
        union all select 'function ' || p.proname::text from pg_proc p where p.pronamespace = 'bib'::regnamespace \
        union all select 'trigger ' || t.tgname::text || t.tgenabled::text from pg_trigger t join pg_class c on c.oid = t.tgrelid \
        where c.relnamespace = 'bib'::regnamespace and not t.tgisinternal order by 1";
    admin.rows(sql).await.unwrap()
}

async fn refusal(admin: &mut Admin) -> String {
    run(admin, POSTGRES, None).await.unwrap_err().to_string()
}

async fn up_down_up(admin: &mut Admin) {
    let full = picture(admin).await;
    assert!(full.len() > 30, "{full:?}");
    run(admin, POSTGRES, None).await.unwrap();
    run(admin, POSTGRES, Some(0)).await.unwrap();
    assert_eq!(picture(admin).await, Vec::<Vec<String>>::new(), "nothing is left");
    run(admin, POSTGRES, Some(2)).await.unwrap();
    run(admin, POSTGRES, None).await.unwrap();
    assert_eq!(picture(admin).await, full);

    admin
        .batch("insert into bib.schema_migrations values (99, '0099_later', repeat('0', 64), repeat('0', 64), 0)")
        .await
        .unwrap();
    assert!(refusal(admin).await.contains("newer bibd"));
    admin.batch("delete from bib.schema_migrations where version = 99").await.unwrap();
    admin.batch("update bib.schema_migrations set down_sha256 = repeat('0', 64) where version = 2").await.unwrap();
    assert!(refusal(admin).await.contains("migration 2 (0002_audit_log) is not the one that ran"));
}

#[tokio::test]
async fn up_down_and_up_again() {
    on_a_server(
        |_| (),
        async |database: Arc<PgDatabase>, credentials: Credentials| {
            let mut admin = Admin::connect(&database.socket_dir, &credentials, DATABASE).await.unwrap();
            up_down_up(&mut admin).await;
        },
    )
    .await;
}
