package entra

import (
	"cmp"
	"context"
	"encoding/base64"
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

// Scope is the OAuth scope of the tokens. It covers the service API of every IoT Hub.
const Scope = "https://iothubs.azure.net/.default"

// renewBefore is how long before its expiry Login replaces a cached token.
const renewBefore = 5 * time.Minute

// Login obtains tokens and caches the current one. It is safe for concurrent use.
type Login struct {
	credential azcore.TokenCredential
	now        func() time.Time

	mu    sync.Mutex
	token azcore.AccessToken
}

// Default returns a login that uses Azure's default credential chain. The environment
// of the process configures this chain. Default sends no request.
//
// AZURE_AUTHORITY_HOST may name the authority (the login server) of a private cloud.
// The login therefore trusts this authority without asking Microsoft's public cloud
// about it.
func Default(now func() time.Time) (*Login, error) {
	opts := &azidentity.DefaultAzureCredentialOptions{
		DisableInstanceDiscovery: os.Getenv("AZURE_AUTHORITY_HOST") != "",
	}
	credential, err := azidentity.NewDefaultAzureCredential(opts)
	if err != nil {
		return nil, fmt.Errorf("login with Entra ID: %w", err)
	}

	return New(credential, now), nil
}

// New returns a login that gets its tokens from credential.
func New(credential azcore.TokenCredential, now func() time.Time) *Login {
	return &Login{credential: credential, now: now}
}

// Token returns a bearer token for the service API. A new token can take seconds,
// for example when the credential chain has to run the Azure CLI.
func (l *Login) Token(ctx context.Context) (string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()

	if l.token.Token != "" && l.now().Before(l.token.ExpiresOn.Add(-renewBefore)) {
		return l.token.Token, nil
	}

	token, err := l.credential.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{Scope}})
	if ctx.Err() != nil && err != nil {
		return "", ctx.Err()
	}
	if err != nil {
		return "", loginError(err)
	}

	l.token = token
	return token.Token, nil
}

// Account returns the name of the account that has logged in, such as ada@example.org.
// It returns "" if no token is available or the token names no person, such as a
// service principal's token.
func (l *Login) Account(ctx context.Context) string {
	token, err := l.Token(ctx)
	if err != nil {
		return ""
	}

	return accountOf(token)
}

// accountOf returns the account that an access token names. It does not verify the
// token, because Entra ID itself has just issued it.
func accountOf(token string) string {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return ""
	}

	var claims struct {
		UPN       string `json:"upn"`
		Preferred string `json:"preferred_username"`
		Unique    string `json:"unique_name"`
	}
	text, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil || json.Unmarshal(text, &claims) != nil {
		return ""
	}

	return cmp.Or(claims.UPN, claims.Preferred, claims.Unique)
}

// loginError turns an error of the Azure SDK, which has many lines, into one line. If
// Entra ID refused the login, the line quotes Entra ID's reason. If the SDK found no
// identity, the line says how to provide an identity.
func loginError(err error) error {
	refused, ok := errors.AsType[*azidentity.AuthenticationFailedError](err)
	if !ok || refused.RawResponse == nil {
		return fmt.Errorf("no login for Entra ID was found: run 'az login', or set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET (%s)",
			strings.Join(strings.Fields(err.Error()), " "))
	}

	var answer struct {
		Description string `json:"error_description"`
	}
	body, _ := runtime.Payload(refused.RawResponse)
	if json.Unmarshal(body, &answer) != nil || answer.Description == "" {
		answer.Description = refused.RawResponse.Status
	}

	// The first line is the reason. The other lines are trace and correlation ids.
	reason, _, _ := strings.Cut(answer.Description, "\n")
	return fmt.Errorf("login refused by Entra ID: %s", strings.TrimSpace(reason))
}
