//! A function that greets.
use lambda_runtime::{run, service_fn, Error, LambdaEvent};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Event {
    name: String,
}

#[derive(Serialize)]
struct Answer {
    message: String,
}

async fn greet(event: LambdaEvent<Event>) -> Result<Answer, Error> {
    let greeting = std::env::var("GREETING")?;
    Ok(Answer { message: format!("{greeting}, {}!", event.payload.name) })
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    run(service_fn(greet)).await
}
