// The Runtime API in one header: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
#pragma once

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <functional>
#include <stdexcept>
#include <string>

#include <netinet/in.h>
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

namespace lambda {

using Handler = std::function<std::string(const std::string&)>;

struct Response {
    std::string headers, body;
};

inline const std::string api = [] {
    const char* value = std::getenv("AWS_LAMBDA_RUNTIME_API");
    return std::string(value ? value : "");
}();

class Connection {
public:
    Connection() : descriptor_(socket(AF_INET, SOCK_STREAM, 0)) {
        const auto colon = api.rfind(':');
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(colon == api.npos ? 80 : static_cast<uint16_t>(std::stoi(api.substr(colon + 1))));
        // Lambda gives an address, not a name: a static program can do without a resolver.
        if (descriptor_ < 0 || inet_pton(AF_INET, api.substr(0, colon).c_str(), &address.sin_addr) != 1 ||
            connect(descriptor_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
            throw std::runtime_error("cannot connect to the Runtime API");
    }
    ~Connection() { close(descriptor_); }
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    void send(const std::string& data) const {
        for (size_t done = 0; done < data.size();) {
            const auto sent = ::send(descriptor_, data.data() + done, data.size() - done, MSG_NOSIGNAL);
            if (sent <= 0) throw std::runtime_error("cannot send");
            done += static_cast<size_t>(sent);
        }
    }
    std::string receive() const {
        std::string all;
        char piece[65536];
        ssize_t got;
        while ((got = recv(descriptor_, piece, sizeof piece, 0)) > 0) all.append(piece, static_cast<size_t>(got));
        if (got < 0) throw std::runtime_error("cannot receive");
        return all;
    }

private:
    int descriptor_;
};

// One request of HTTP/1.0: the answer ends where the connection does.
inline Response request(const std::string& method, const std::string& path, const std::string& body = "") {
    const Connection connection;
    connection.send(method + " /2018-06-01/runtime/" + path + " HTTP/1.0\r\nHost: " + api +
                    "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
    const auto answer = connection.receive();
    const auto end = answer.find("\r\n\r\n");
    if (end == answer.npos || answer.size() < 12 || answer[9] != '2')
        throw std::runtime_error("the Runtime API refused " + path);
    return {answer.substr(0, end + 2), answer.substr(end + 4)};
}

inline std::string header(const Response& response, std::string name) {
    auto lower = [](std::string text) {
        std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
        return text;
    };
    const auto found = lower(response.headers).find("\r\n" + lower(name) + ":");
    if (found == std::string::npos) throw std::runtime_error("no header " + name);
    const auto start = response.headers.find_first_not_of(' ', found + name.size() + 3);
    return response.headers.substr(start, response.headers.find("\r\n", start) - start);
}

// Events to the handler, its answers back, for as long as Lambda lets the program live.
[[noreturn]] inline void run(const Handler& handler) {
    for (;;) {
        const auto event = request("GET", "invocation/next");
        const auto id = header(event, "Lambda-Runtime-Aws-Request-Id");
        try {
            request("POST", "invocation/" + id + "/response", handler(event.body));
        } catch (const std::invalid_argument& error) {
            request("POST", "invocation/" + id + "/error",
                    std::string(R"({"errorType":"InvalidEvent","errorMessage":")") + error.what() + "\"}");
        }
    }
}

}  // namespace lambda
