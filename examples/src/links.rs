//! A checker of links, by reqwest and sqlx.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use rekindle::DynamicSupervisorRef;
use rekindle::prelude::*;
use reqwest::Client;
use sqlx::SqlitePool;
use sqlx::sqlite::SqlitePoolOptions;
use tokio::net::TcpListener;

use crate::stage::Stage;
use crate::web::accept_all;

/// Keeps what became of each page. It owns the pool; others borrow it by a clone.
struct Book {
    pool: SqlitePool,
}

#[gen_server]
impl Book {
    async fn init() -> Result<Self, sqlx::Error> {
        // One connection that never goes: a database in memory is its connection's.
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect("sqlite::memory:")
            .await?;
        sqlx::query("CREATE TABLE pages (path TEXT PRIMARY KEY, answer TEXT NOT NULL)")
            .execute(&pool)
            .await?;
        Ok(Book { pool })
    }

    /// An error of the database is a crash of the book, and what was asked fails with it.
    #[call]
    async fn keep(
        &mut self,
        path: String,
        answer: String,
        from: ReplyTo<()>,
    ) -> Result<(), sqlx::Error> {
        sqlx::query("INSERT OR REPLACE INTO pages VALUES (?, ?)")
            .bind(path)
            .bind(answer)
            .execute(&self.pool)
            .await?;
        from.reply(());
        Ok(())
    }

    #[call]
    async fn all(&mut self, from: ReplyTo<Vec<(String, String)>>) -> Result<(), sqlx::Error> {
        let pages = sqlx::query_as("SELECT path, answer FROM pages ORDER BY path");
        from.reply(pages.fetch_all(&self.pool).await?);
        Ok(())
    }

    /// For work of one's own, such as a transaction.
    #[call]
    fn pool(&self) -> SqlitePool {
        self.pool.clone()
    }

    /// What the pool has spawned on tokio has no supervisor: its owner sees to its end.
    async fn terminate(&mut self, _reason: &ExitReason) {
        self.pool.close().await;
    }
}

fn book() -> Name<Book> {
    Name::new("book")
}

/// How many requests for the slow page are being answered.
#[derive(Clone, Default)]
struct Answering(Arc<AtomicUsize>);

impl Answering {
    fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    /// Waits until so many are.
    async fn until(&self, count: usize) {
        while self.count() != count {
            sleep(Duration::from_millis(1)).await;
        }
    }
}

/// Counts while it is there.
struct Counted(Answering);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The pages that are checked.
fn pages(answering: Answering) -> Router {
    let slow = async move || {
        answering.0.fetch_add(1, Ordering::SeqCst);
        let _counted = Counted(answering);
        std::future::pending::<&str>().await
    };
    Router::new()
        .route("/fine", get(async || "all is well"))
        .route("/gone", get(async || StatusCode::NOT_FOUND))
        .route("/hangs-up", get(hang_up))
        .route("/slow", get(slow))
}

async fn hang_up() -> &'static str {
    panic!("this page hangs up")
}

/// What became of a request.
async fn check(client: Client, url: String) -> String {
    match client.get(url).send().await {
        Ok(answer) => answer.status().as_u16().to_string(),
        Err(error) if error.is_timeout() => "no answer in time".to_owned(),
        Err(error) if error.is_connect() => "nobody is there".to_owned(),
        Err(_) => "the connection broke".to_owned(),
    }
}

/// Asks for all pages, four at a time, and keeps what came back.
async fn check_all(client: Client, address: SocketAddr) -> Result<(), ExitReason> {
    let paths = ["/slow", "/fine", "/gone", "/hangs-up"];
    let mut answers = Task::async_stream_nolink(paths, move |path| {
        let checked = check(client.clone(), format!("http://{address}{path}"));
        async move { (path, checked.await) }
    })
    .max_concurrency(4)?
    // The client has a limit of its own, which comes first.
    .timeout(Duration::from_secs(60));
    while let Some(answer) = answers.next().await {
        let (path, answer) = answer?;
        book().keep(path.to_owned(), answer).await?;
    }
    Ok(())
}

/// Empties the book in a transaction that never ends; says how many pages are left inside of it.
async fn empty_for_ever(pool: SqlitePool, left: ReplyTo<i64>) -> Result<(), sqlx::Error> {
    let mut transaction = pool.begin().await?;
    sqlx::query("DELETE FROM pages")
        .execute(&mut *transaction)
        .await?;
    let count = sqlx::query_scalar("SELECT count(*) FROM pages");
    left.reply(count.fetch_one(&mut *transaction).await?);
    std::future::pending().await
}

/// The story; it needs a runtime with tokio beside it.
///
/// # Errors
///
/// If the tree does not start, or a socket or the database fails that should not.
pub async fn run(stage: Stage) -> Result<(), ExitReason> {
    let listener = Arc::new(TcpListener::bind("127.0.0.1:0").await?);
    let address = listener.local_addr()?;
    let answering = Answering::default();
    let router = pages(answering.clone());
    let tree = Supervisor::rest_for_one()
        .child(Book::child(()).name("book"))
        .child(DynamicSupervisor::child().name("connections"))
        .child(ChildSpec::worker("listener", move || {
            let connections = DynamicSupervisorRef::named("connections");
            let accepting = accept_all(listener.clone(), connections, router.clone());
            async move { spawn_link(accepting) }
        }))
        .start_link()
        .await?;
    // The pages are on this machine: what proxy the environment names is not for them.
    let client = Client::builder().no_proxy();

    stage.act("Each page is asked for in a process of its own, and the answers are kept.");
    let hasty = client.timeout(Duration::from_secs(5)).build()?;
    check_all(hasty, address).await?;
    for (path, answer) in book().all().await? {
        stage.say(format!("{path:<10} {answer}"));
    }

    stage.act("Who asks is killed: the other end notices.");
    answering.until(0).await;
    let patient = Client::builder().no_proxy().build()?;
    let asking = spawn(async move {
        check(patient, format!("http://{address}/slow")).await;
    });
    answering.until(1).await;
    let before = answering.count();
    exit(asking, ExitReason::Kill);
    answering.until(0).await;
    stage.say(format!(
        "being answered: {before}, and after the kill: {}",
        answering.count()
    ));

    stage.act("A transaction dies with its process.");
    let pool = book().pool().await?;
    let emptying = spawn(|mut inbox: Mailbox<ReplyTo<i64>>| async move {
        let from = inbox.recv().await;
        empty_for_ever(pool, from).await
    });
    let inside = emptying.call(|from| from).await?;
    emptying.exit(ExitReason::Kill);
    let after = book().all().await?.len();
    stage.say(format!(
        "inside it: {inside} pages, and after the kill: {after}"
    ));
    tree.stop().await?;
    Ok(())
}
