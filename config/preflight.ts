/**
 * What can only be found out by asking: endpoint, token, region, app name, Docker, registry, and what
 * the stack has already. Asked at once and before anything is declared, so that a mistake here costs
 * nothing either.
 */
import { preflight as flyPreflight } from "../providers/fly/preflight.ts";
import { authoritiesProblem } from "./authorities.ts";
import { readDeployed, type Deployed } from "./deployed.ts";
import { dockerProblem } from "./docker.ts";
import { fileSizeProblem } from "./fileSize.ts";
import { registryProblem } from "./registry.ts";
import { SettingsError, type Settings } from "./settings.ts";

/**
 * @returns what the stack has
 * @throws SettingsError with all problems
 */
export async function preflight(
    settings: Settings,
    token: string | undefined,
    stack: string,
): Promise<Deployed> {
    const deployed = readDeployed();
    const devices = settings.users.filter(({ certificate }) => certificate).map(({ name }) => name);
    const problems = await Promise.all([
        deployed.then((before) => authoritiesProblem(before, settings.authorities, devices)),
        deployed.then((before) => fileSizeProblem(settings, before)),
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
    return deployed;
}
