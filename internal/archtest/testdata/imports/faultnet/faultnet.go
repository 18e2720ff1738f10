// Package faultnet is planted: it reaches beyond the standard library.
package faultnet

import _ "github.com/spf13/cobra"
