// A function that greets.
package main

import (
	"context"
	"errors"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
)

type event struct {
	Name string `json:"name"`
}

type answer struct {
	Message string `json:"message"`
}

func greet(_ context.Context, in event) (answer, error) {
	if in.Name == "" {
		return answer{}, errors.New("the event has no name")
	}
	return answer{Message: os.Getenv("GREETING") + ", " + in.Name + "!"}, nil
}

func main() {
	lambda.Start(greet)
}
