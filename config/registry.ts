/**
 * Does the registry take the token? Docker would say so too, but only after the app was made.
 *
 * @param registry host or host:port; loopback speaks plain HTTP, as for Docker
 */
export async function registryProblem(
    registry: string,
    token: string,
): Promise<string | undefined> {
    const scheme = /^(127\.|localhost(:|$))/.test(registry) ? "http" : "https";
    let response: Response;
    try {
        response = await fetch(`${scheme}://${registry}/v2/`, {
            headers: { authorization: `Basic ${Buffer.from(`x:${token}`).toString("base64")}` },
            signal: AbortSignal.timeout(10_000),
        });
    } catch (error) {
        const cause = (error as Error).cause ?? error;
        return `registry: ${registry} can't be reached (${(cause as Error).message})`;
    }
    // A registry with tokens of its own answers 401 and says where to get one: Docker can do that.
    const challenge = response.headers.get("www-authenticate") ?? "";
    if (response.status === 401 && /^bearer/i.test(challenge)) return undefined;
    if (response.status === 401 || response.status === 403) {
        return `registry: ${registry} refuses the token (HTTP ${response.status}); is it Fly's, and not expired?`;
    }
    return response.ok ? undefined : `registry: ${registry} answers HTTP ${response.status}`;
}
