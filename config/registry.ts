/** Asks the registry about the token and the stack's image, in one request. */

export interface RegistryAnswer {
    problem?: string;
    /** The registry no longer has the stack's image. */
    imageMissing?: true;
}

/**
 * Checks that the registry accepts the token and still has the image. Docker would report a refused token
 * too, but only after the app is made, and nothing else notices a lost image.
 *
 * @param registry host or host:port; plain HTTP on loopback, as in Docker
 * @param image the deployed image, `REGISTRY/APP@sha256:…`
 */
export async function askRegistry(
    registry: string,
    token: string,
    image: string | undefined,
): Promise<RegistryAnswer> {
    const scheme = /^(127\.|localhost(:|$))/.test(registry) ? "http" : "https";
    const [repository, digest] = image?.startsWith(`${registry}/`)
        ? image.slice(registry.length + 1).split("@")
        : [];
    const path = digest === undefined ? "" : `${repository}/manifests/${digest}`;
    let response: Response;
    try {
        response = await fetch(`${scheme}://${registry}/v2/${path}`, {
            method: digest === undefined ? "GET" : "HEAD",
            headers: {
                authorization: `Basic ${Buffer.from(`x:${token}`).toString("base64")}`,
                ...(digest !== undefined && { accept: MANIFESTS.join(", ") }),
            },
            signal: AbortSignal.timeout(10_000),
        });
    } catch (error) {
        const cause = (error as Error).cause ?? error;
        return { problem: `registry: ${registry} can't be reached (${(cause as Error).message})` };
    }
    const { ok, status, headers } = response;
    // A registry with tokens of its own answers 401 and names its token server, which Docker follows.
    if (status === 401 && /^bearer/i.test(headers.get("www-authenticate") ?? "")) return {};
    if (status === 401 || status === 403) {
        const problem = `registry: ${registry} refuses the token (HTTP ${status}); is it a Fly token, and not expired?`;
        return { problem };
    }
    if (digest !== undefined && status === 404) return { imageMissing: true };
    return ok ? {} : { problem: `registry: ${registry} answers HTTP ${status}` };
}

const MANIFESTS = [
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
];
