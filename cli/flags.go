package cli

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// headingNote is the annotation with the heading under which the help lists a flag.
const headingNote = "heading"

// addFlags adds the flags that declare makes, under a heading of the help.
func addFlags(to *pflag.FlagSet, heading string, declare func(*pflag.FlagSet)) {
	to.SortFlags = false // the help lists them in our order
	f := pflag.NewFlagSet(heading, pflag.ContinueOnError)
	declare(f)
	f.SortFlags = false
	f.VisitAll(func(flag *pflag.Flag) {
		flag.Annotations = map[string][]string{headingNote: {heading}}
		to.AddFlag(flag)
	})
}

// environmentVar adds a text whose default is in the environment. The help must not show it, as it may be a secret: so it
// is not the flag's own default.
func environmentVar(f *pflag.FlagSet, to *string, name, variable, usage string) {
	f.StringVar(to, name, "", strings.TrimSuffix(usage, ".")+" ($"+variable+").")
	*to = os.Getenv(variable)
}

// Heading is the heading under which the help and the manual list a flag.
func Heading(flag *pflag.Flag) string { return flag.Annotations[headingNote][0] }

// hide takes a flag out of the help, the manual and completion: an older spelling that still works.
func hide(f *pflag.FlagSet, name string) { f.Lookup(name).Hidden = true }

// listVar adds a list, separated by commas; each repeat of the flag adds to it.
func listVar(f *pflag.FlagSet, to *[]string, name, usage string) {
	f.Func(name, usage, func(text string) error {
		*to = append(*to, strings.FieldsFunc(text, func(r rune) bool { return r == ',' })...)
		return nil
	})
}

// flagError says in our words what is wrong with a flag.
func flagError(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	var missing *pflag.ValueRequiredError
	var invalid *pflag.InvalidValueError
	switch {
	case errors.Is(err, errVersion):
		return err
	case errors.As(err, &unknown):
		return usageError{unknownFlag(cmd, unknown)}
	case errors.As(err, &missing):
		kind, _ := pflag.UnquoteUsage(missing.GetFlag())
		return usageError{fmt.Errorf("--%s needs a value: %s", missing.GetFlag().Name, kind)}
	case errors.As(err, &invalid):
		return usageError{invalidValue(invalid)}
	}
	return usageError{err}
}

func unknownFlag(cmd *cobra.Command, err *pflag.NotExistError) error {
	name := err.GetSpecifiedName()
	if err.GetSpecifiedShortnames() == "" {
		var known []string
		cmd.Flags().VisitAll(func(flag *pflag.Flag) { known = append(known, flag.Name) })
		return fmt.Errorf("unknown flag --%s%s", name, didYouMean(name, "--", known))
	}
	if strings.Contains("0123456789", name) {
		return fmt.Errorf("unknown flag -%s; before an argument that begins with -, write --", name)
	}
	return fmt.Errorf("unknown flag -%s", name)
}

func invalidValue(err *pflag.InvalidValueError) error {
	why := err.Unwrap().Error() // of a type of our own
	switch err.GetFlag().Value.Type() {
	case "bool", "boolfunc":
		why = "must be true or false"
	case "int", "intSlice":
		why = "must be a whole number"
	case "float64":
		why = "must be a number"
	case "duration":
		why = "must be a time with its unit, such as 10s or 1h30m"
	}
	return fmt.Errorf("--%s=%s: %s", err.GetFlag().Name, err.GetValue(), why)
}
