// Package entra logs in with Microsoft Entra ID and returns access tokens for
// the service API of an IoT Hub. The tokens replace a shared access key. Use
// [Default] to log in, then [Login.Token] for each request.
//
// Default looks for the user's identity in the same order as Azure's own tools:
//   - the environment: AZURE_TENANT_ID, AZURE_CLIENT_ID and a secret or certificate
//   - the managed identity of the virtual machine or pod that runs the process
//   - the account that is logged in to the Azure CLI
package entra
