// Drives an issuer with golang.org/x/oauth2 and judges its tokens with go-oidc, as most Go programs do.
//
// The argument is a JSON object that says where the issuer is and what may be asked; prints a line a check that passed.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

type asked struct {
	Issuer   string
	Audience string
	Scope    string
	Client   struct{ ID, Secret string }
}

func main() {
	if err := judge(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func judge(text string) error {
	var asked asked
	if err := json.Unmarshal([]byte(text), &asked); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	// It compares the issuer with the one that it asked, and reads the algorithms of the provider.
	provider, err := oidc.NewProvider(ctx, asked.Issuer)
	if err != nil {
		return fmt.Errorf("metadata: %w", err)
	}
	fmt.Println("go-oidc: metadata")

	for _, style := range []oauth2.AuthStyle{oauth2.AuthStyleInHeader, oauth2.AuthStyleInParams, oauth2.AuthStyleAutoDetect} {
		config := clientcredentials.Config{
			ClientID: asked.Client.ID, ClientSecret: asked.Client.Secret, TokenURL: provider.Endpoint().TokenURL,
			Scopes: []string{asked.Scope}, AuthStyle: style,
			EndpointParams: url.Values{"audience": {asked.Audience}},
		}
		token, err := config.Token(ctx)
		if err != nil {
			return fmt.Errorf("client_credentials, style %d: %w", style, err)
		}
		verified, err := provider.Verifier(&oidc.Config{ClientID: asked.Audience}).Verify(ctx, token.AccessToken)
		if err != nil {
			return fmt.Errorf("token: %w", err)
		}
		if verified.Subject != asked.Client.ID {
			return fmt.Errorf("the token is about %q", verified.Subject)
		}
		if _, err := provider.Verifier(&oidc.Config{ClientID: "another"}).Verify(ctx, token.AccessToken); err == nil {
			return errors.New("the token is for another service too")
		}
	}
	fmt.Println("x/oauth2 and go-oidc: client_credentials, each style of authentication")

	config := clientcredentials.Config{
		ClientID: asked.Client.ID, ClientSecret: "wrong", TokenURL: provider.Endpoint().TokenURL, AuthStyle: oauth2.AuthStyleInHeader,
	}
	_, err = config.Token(ctx)
	var refused *oauth2.RetrieveError
	if !errors.As(err, &refused) || refused.ErrorCode != "invalid_client" || refused.Response.StatusCode != 401 {
		return fmt.Errorf("a wrong secret: %v", err)
	}
	fmt.Println("x/oauth2: refusals")
	return nil
}
