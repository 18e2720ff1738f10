// Package archtest holds tests about the project itself: who may import whom, how long files and functions may be,
// and whether README, ARCHITECTURE and docs/requirements.md still say what the code does. It has no code to import.
package archtest
