package token

import (
	"context"
	"encoding/json"
	"errors"
)

// keeper gives a Store the form that Source works with.
type keeper struct{ store Store }

type keptTokens Tokens // without the methods that keep secrets from being printed

func (k keeper) Load() (t Tokens, ok bool, err error) {
	data, _, err := k.store.Load(context.Background())
	if err != nil || len(data) == 0 {
		return Tokens{}, false, err
	}
	err = json.Unmarshal(data, (*keptTokens)(&t))
	return t, err == nil, err
}

func (k keeper) Save(t Tokens) error {
	data, err := json.Marshal(keptTokens(t))
	if err != nil {
		return err
	}
	return k.put(data)
}

func (k keeper) Delete() error { return k.put(nil) }

func (k keeper) put(data []byte) error {
	for {
		_, version, err := k.store.Load(context.Background())
		if err != nil {
			return err
		}
		if _, err = k.store.CompareAndSwap(context.Background(), version, data); !errors.Is(err, ErrConflict) {
			return err
		}
	}
}
