/** The certificates of a bundle in PEM. */
export function certificatesIn(pem: string): string[] {
    return pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n?/g) ?? [];
}
