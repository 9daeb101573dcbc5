package example;

import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.regex.Pattern;

/**
 * A function that greets, and speaks the Runtime API itself: no library has to be made fit for a native image.
 *
 * <p>https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
 */
public final class Greet {
    // A real function reads the event with a JSON library.
    private static final Pattern NAME = Pattern.compile("\"name\"\\s*:\\s*\"([^\"\\\\]+)\"");

    private final HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
    private final String api = "http://" + System.getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/invocation/";

    private Greet() {}

    public static void main(String[] arguments) throws IOException, InterruptedException {
        Greet function = new Greet();
        while (true) {
            function.answerNext();
        }
    }

    private static String greet(String event) {
        var name = NAME.matcher(event);
        if (!name.find()) {
            throw new IllegalArgumentException("the event has no name");
        }
        return "{\"message\":\"%s, %s!\"}".formatted(System.getenv("GREETING"), name.group(1));
    }

    private void answerNext() throws IOException, InterruptedException {
        var event = send(HttpRequest.newBuilder(URI.create(api + "next")).GET());
        var id = event.headers().firstValue("Lambda-Runtime-Aws-Request-Id").orElseThrow();
        try {
            post(id + "/response", greet(event.body()));
        } catch (IllegalArgumentException error) {
            var text = "{\"errorType\":\"InvalidEvent\",\"errorMessage\":\"%s\"}";
            post(id + "/error", text.formatted(error.getMessage()));
        }
    }

    private void post(String path, String body) throws IOException, InterruptedException {
        send(HttpRequest.newBuilder(URI.create(api + path)).POST(BodyPublishers.ofString(body)));
    }

    private HttpResponse<String> send(HttpRequest.Builder request) throws IOException, InterruptedException {
        var response = client.send(request.build(), BodyHandlers.ofString());
        if (response.statusCode() / 100 != 2) {
            throw new IOException("the Runtime API answered " + response.statusCode());
        }
        return response;
    }
}
