package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"golang.org/x/term"
)

// maxPasswordLine bounds the line with a password. The gateway checks how long a password may be.
const maxPasswordLine = 4096

// readPassword asks twice for a password, without an echo, if standard input is a terminal. Otherwise the password is
// the first line of standard input. It is never an argument: everybody on the machine can read arguments.
func readPassword(std *Streams) (string, error) {
	if file, ok := std.In.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		return askPassword(int(file.Fd()), std.Err)
	}
	line, err := bufio.NewReader(io.LimitReader(std.In, maxPasswordLine)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("reading the password: %w", err)
	}
	password := strings.TrimRight(line, "\r\n")
	if password == "" {
		return "", usageError{errors.New("no password; write it to standard input as one line, or start the command at a terminal to be asked for it")}
	}
	return password, nil
}

func askPassword(terminal int, prompt io.Writer) (string, error) {
	state, err := term.GetState(terminal)
	if err != nil {
		return "", fmt.Errorf("asking for the password: %w", err)
	}
	// Ctrl-C must not leave the user at a terminal without an echo.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	asked := context.AfterFunc(ctx, func() {
		_ = term.Restore(terminal, state) // if it fails, nothing more can be done
		fmt.Fprintln(prompt)
		os.Exit(exitFailed)
	})
	defer asked()
	var answers [2]string
	for i, text := range []string{"Password: ", "Once more: "} {
		fmt.Fprint(prompt, text)
		answer, err := term.ReadPassword(terminal)
		fmt.Fprintln(prompt)
		if err != nil {
			return "", fmt.Errorf("asking for the password: %w", err)
		}
		answers[i] = string(answer)
	}
	if answers[0] != answers[1] {
		return "", errors.New("the two passwords differ; nothing was changed")
	}
	return answers[0], nil
}
