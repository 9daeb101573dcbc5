// swift-tools-version: 6.0
import PackageDescription

let package = Package(
    name: "greet",
    platforms: [.macOS(.v15)],
    dependencies: [
        .package(url: "https://github.com/swift-server/swift-aws-lambda-runtime.git", from: "2.0.0")
    ],
    targets: [
        .executableTarget(
            name: "bootstrap",
            dependencies: [.product(name: "AWSLambdaRuntime", package: "swift-aws-lambda-runtime")]
        )
    ]
)
