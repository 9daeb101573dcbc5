// A function that greets.
using System.Text.Json.Serialization;
using Amazon.Lambda.Core;
using Amazon.Lambda.RuntimeSupport;
using Amazon.Lambda.Serialization.SystemTextJson;

static Answer Greet(Event input, ILambdaContext context)
{
    if (string.IsNullOrEmpty(input.Name))
    {
        throw new ArgumentException("the event has no name");
    }
    return new Answer($"{Environment.GetEnvironmentVariable("GREETING")}, {input.Name}!");
}

await LambdaBootstrapBuilder
    .Create<Event, Answer>(Greet, new SourceGeneratorLambdaJsonSerializer<Json>())
    .Build()
    .RunAsync();

public record Event([property: JsonPropertyName("name")] string? Name);

public record Answer([property: JsonPropertyName("message")] string Message);

// Reflection does not survive ahead-of-time compilation: the serializer is made while compiling.
[JsonSerializable(typeof(Event))]
[JsonSerializable(typeof(Answer))]
public partial class Json : JsonSerializerContext;
