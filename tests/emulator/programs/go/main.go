// A function on AWS's client for Go: answers, fails, panics, streams, and knows what goes on around it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

type broken struct{ sent bool }

func (b *broken) Read(into []byte) (int, error) {
	if b.sent {
		return 0, errors.New("it broke")
	}
	b.sent = true
	return copy(into, "half"), nil
}

func handle(ctx context.Context, event string) (any, error) {
	known, _ := lambdacontext.FromContext(ctx)
	switch event {
	case "fail":
		return nil, errors.New("it failed")
	case "panic":
		panic("it panicked")
	case "stream":
		return strings.NewReader("one two three"), nil
	case "break":
		return io.Reader(&broken{}), nil
	case "url":
		return &events.LambdaFunctionURLStreamingResponse{
			StatusCode: 202, Headers: map[string]string{"X-Own": "x"}, Body: strings.NewReader("body"),
		}, nil
	}
	deadline, _ := ctx.Deadline()
	return map[string]any{
		"event": event, "id": known.AwsRequestID, "arn": known.InvokedFunctionArn,
		"remaining": time.Until(deadline).Milliseconds(),
	}, nil
}

func main() {
	lambda.StartWithOptions(handle, lambda.WithEnableSIGTERM(func() {
		fmt.Fprintln(os.Stderr, "SIGTERM")
	}))
}
