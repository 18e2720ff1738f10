// Package newcomer is planted: nobody decided where it stands.
package newcomer
