package main

import (
	"context"
	"fmt"
	"io"
	"syscall"

	tea "charm.land/bubbletea/v2"
)

// draw shows the panel until q, Ctrl-C or the end of the run. The terminal is as it was afterwards.
func (w *watching) draw(in io.Reader, out io.Writer) {
	options := []tea.ProgramOption{tea.WithInput(in), tea.WithOutput(out), tea.WithFPS(framesPerSecond), tea.WithoutSignalHandler()}
	if f, ok := in.(io.Writer); ok && !isTerminal(f) { // q can't be pressed, and an end of the input means nothing
		options = append(options, tea.WithInput(nil))
	}
	program := tea.NewProgram(&screen{end: w.end, coloured: colour(out)}, options...)
	stop := context.AfterFunc(w.ctx, program.Quit)
	defer stop()
	w.start()
	w.wg.Go(func() { look(w.ctx, w.changed, w.sight, func(s sight) { program.Send(s) }) })
	if _, err := program.Run(); err != nil {
		w.end(failure(fmt.Errorf("draw: %w", err), "--json needs no terminal"))
	}
	w.end(errQuit) // unless it ended for another reason already
}

// screen is the panel on a terminal.
type screen struct {
	panel         panel
	width, height int
	coloured      bool
	end           func(error)
}

var _ tea.Model = (*screen)(nil)

// Init does nothing: looks are sent.
func (s *screen) Init() tea.Cmd { return nil }

// Update takes a look at the client, a key, or a new size of the terminal.
func (s *screen) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case sight:
		s.panel.apply(msg)
	case tea.WindowSizeMsg:
		s.width, s.height = msg.Width, msg.Height
	case tea.KeyPressMsg:
		switch msg.String() {
		case "q":
			s.end(errQuit)
			return s, tea.Quit
		case "ctrl+c":
			s.end(signalError{int(syscall.SIGINT)})
			return s, tea.Quit
		case "ctrl+z":
			return s, tea.Suspend
		}
	}
	return s, nil
}

// View draws the panel on a screen of its own, so that what was there before comes back.
func (s *screen) View() tea.View {
	v := tea.NewView("")
	v.AltScreen = true
	if !s.panel.at.IsZero() && s.width > 0 {
		v.SetContent(s.panel.view(s.width, s.height, s.coloured))
	}
	return v
}
