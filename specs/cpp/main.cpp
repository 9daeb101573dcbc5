// A function that greets. A real one reads the event with a JSON library.
#include "runtime.hpp"

static std::string greet(const std::string& event) {
    const std::string key = "\"name\":";
    const auto found = event.find(key);
    const auto start = found == event.npos ? event.npos : event.find('"', found + key.size());
    const auto end = start == event.npos ? event.npos : event.find('"', start + 1);
    if (end == event.npos) throw std::invalid_argument("the event has no name");
    const char* greeting = std::getenv("GREETING");
    return std::string(R"({"message":")") + (greeting ? greeting : "Hello") + ", " +
           event.substr(start + 1, end - start - 1) + "!\"}";
}

int main() { lambda::run(greet); }
