//go:build pinned

// Package pinned names the program whose sources go.mod and go.sum pin. It is never compiled itself.
package pinned

import _ "github.com/stripe/stripe-mock"
