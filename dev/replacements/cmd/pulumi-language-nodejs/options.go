package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// options are the settings under `runtime.options` in Pulumi.yaml.
type options struct {
	typescript     bool // run TypeScript through ts-node; default true
	tsconfig       string
	nodeArgs       []string
	packageManager string
	production     bool
}

func parseOptions(given map[string]any) (options, error) {
	opts := options{typescript: true, packageManager: "npm"}
	nodeArgs, packageManager := "", "auto"
	for _, read := range []error{
		take(given, "typescript", "a boolean", &opts.typescript),
		take(given, "tsconfig", "a string", &opts.tsconfig),
		take(given, "nodeargs", "a string", &nodeArgs),
		take(given, "packagemanager", "a string", &packageManager),
		take(given, "production", "a boolean", &opts.production),
	} {
		if read != nil {
			return opts, read
		}
	}
	if !slices.Contains([]string{"auto", "npm", "yarn", "pnpm", "bun"}, packageManager) {
		return opts, fmt.Errorf(
			"packagemanager option must be one of auto, npm, yarn, pnpm or bun, got %q", packageManager)
	}
	if packageManager != "auto" {
		opts.packageManager = packageManager
	}
	var err error
	opts.nodeArgs, err = splitWords(nodeArgs)
	return opts, err
}

func take[T any](given map[string]any, key, kind string, into *T) error {
	value, has := given[key]
	if !has {
		return nil
	}
	typed, ok := value.(T)
	if !ok {
		return fmt.Errorf("%s option must be %s", key, kind)
	}
	*into = typed
	return nil
}

// splitWords splits as a shell does: at blanks, with ', " and \ as quotes.
func splitWords(text string) ([]string, error) {
	var words []string
	var word strings.Builder
	inWord, escaped := false, false
	var quote rune
	for _, r := range text {
		switch {
		case escaped:
			word.WriteRune(r)
			escaped = false
		case r == '\\' && quote != '\'':
			escaped, inWord = true, true
		case quote != 0:
			if r == quote {
				quote = 0
			} else {
				word.WriteRune(r)
			}
		case r == '\'' || r == '"':
			quote, inWord = r, true
		case r == ' ' || r == '\t' || r == '\n':
			if inWord {
				words = append(words, word.String())
				word.Reset()
				inWord = false
			}
		default:
			word.WriteRune(r)
			inWord = true
		}
	}
	if quote != 0 || escaped {
		return nil, errors.New("nodeargs option ends inside a quote")
	}
	if inWord {
		words = append(words, word.String())
	}
	return words, nil
}
