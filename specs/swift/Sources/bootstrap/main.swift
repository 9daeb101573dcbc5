// A function that greets.
import AWSLambdaRuntime
import Foundation

struct Event: Decodable {
    let name: String
}

struct Answer: Encodable {
    let message: String
}

let greeting = ProcessInfo.processInfo.environment["GREETING"] ?? "Hello"

let runtime = LambdaRuntime { (event: Event, _: LambdaContext) in
    Answer(message: "\(greeting), \(event.name)!")
}

try await runtime.run()
