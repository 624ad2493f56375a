/**
 * What can only be found out by asking: endpoint, token, region, app name, Docker, registry. Asked at
 * once and before anything is declared, so that a mistake here costs nothing either.
 */
import { preflight as flyPreflight } from "../providers/fly/preflight.ts";
import { dockerProblem } from "./docker.ts";
import { registryProblem } from "./registry.ts";
import { SettingsError, type Settings } from "./settings.ts";

/** @throws SettingsError with all problems */
export async function preflight(
    settings: Settings,
    token: string | undefined,
    stack: string,
): Promise<void> {
    const problems = await Promise.all([
        flyPreflight({
            endpoint: settings.endpoint,
            token,
            appName: settings.appName,
            region: settings.region,
            organization: settings.organization,
        }),
        token === undefined ? undefined : registryProblem(settings.registry, token),
        dockerProblem(process.env),
    ]);
    const found = problems.flat().filter((problem) => problem !== undefined);
    if (found.length > 0) throw new SettingsError(stack, found);
}
