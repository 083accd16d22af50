package entra

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
)

// Scope is what a token is for: the service API of all IoT Hubs.
const Scope = "https://iothubs.azure.net/.default"

// renewBefore is how long before its end a token is not used any more.
const renewBefore = 5 * time.Minute

// Login gives tokens, each for as long as it is good. It is safe for concurrent use.
type Login struct {
	credential azcore.TokenCredential
	now        func() time.Time

	mu    sync.Mutex
	token azcore.AccessToken
}

// Default is the login of Azure's default chain. It asks nobody yet. The chain
// reads the process's environment. An authority that is named there, which may be
// a cloud's of one's own, is not looked up at Microsoft's.
func Default(now func() time.Time) (*Login, error) {
	named := os.Getenv("AZURE_AUTHORITY_HOST") != ""
	credential, err := azidentity.NewDefaultAzureCredential(&azidentity.DefaultAzureCredentialOptions{DisableInstanceDiscovery: named})
	if err != nil {
		return nil, fmt.Errorf("login by Entra ID: %w", err)
	}
	return New(credential, now), nil
}

// New is a login by credential.
func New(credential azcore.TokenCredential, now func() time.Time) *Login {
	return &Login{credential: credential, now: now}
}

// Token returns a bearer token for the service API. Getting one anew can take
// seconds: the Azure CLI is a program that is run.
func (l *Login) Token(ctx context.Context) (string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.token.Token != "" && l.now().Before(l.token.ExpiresOn.Add(-renewBefore)) {
		return l.token.Token, nil
	}
	token, err := l.credential.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{Scope}})
	if err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		return "", failure(err)
	}
	l.token = token
	return token.Token, nil
}

// failure is what went wrong on one line: what Entra ID has said, where it was
// asked, and else what was tried.
func failure(err error) error {
	refused, ok := errors.AsType[*azidentity.AuthenticationFailedError](err)
	if !ok || refused.RawResponse == nil {
		return fmt.Errorf("no login by Entra ID was found: run 'az login', or set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET (%s)",
			strings.Join(strings.Fields(err.Error()), " "))
	}
	var answer struct {
		Text string `json:"error_description"`
	}
	body, _ := runtime.Payload(refused.RawResponse)
	if json.Unmarshal(body, &answer) != nil || answer.Text == "" {
		answer.Text = refused.RawResponse.Status
	}
	answer.Text, _, _ = strings.Cut(answer.Text, "\n") // what follows are ids of traces
	return fmt.Errorf("login refused by Entra ID: %s", strings.TrimSpace(answer.Text))
}
