// Package entra gets tokens of Microsoft Entra ID for the service API of an IoT
// Hub, in place of a shared access key.
//
// Who one is, is found the way that Azure's own tools find it: by the environment
// (AZURE_TENANT_ID, AZURE_CLIENT_ID and a secret or a certificate), the identity
// of the machine or pod in Azure, or the login of the Azure CLI.
package entra
