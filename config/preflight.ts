/**
 * Checks what needs requests: endpoint, token, region, app name, Docker, registry, and the stack's state. Sends
 * them concurrently, before anything is declared, so that a mistake changes nothing.
 */
import { preflight as flyPreflight } from "../providers/fly/preflight.ts";
import { authoritiesProblem } from "./authorities.ts";
import { readDeployed, type Deployed } from "./deployed.ts";
import { dockerProblem } from "./docker.ts";
import { fileSizeProblem } from "./fileSize.ts";
import { askRegistry, type RegistryAnswer } from "./registry.ts";
import { replacementProblems } from "./replacement.ts";
import type { BrokerRef } from "./ownState.ts";
import { SettingsError, type Settings } from "./settings.ts";

interface Asked {
    settings: Settings;
    token: string | undefined;
    /** Broker whose state is read. */
    owner: BrokerRef;
}

/**
 * Runs all checks.
 * @returns the deployed state, and warnings
 * @throws SettingsError with all problems
 */
export async function preflight({ settings, token, owner }: Asked): Promise<{
    deployed: Deployed;
    warnings: string[];
    imageMissing: boolean;
}> {
    const { endpoint, appName, region, organization, registry, users, authorities } = settings;
    const devices = users.filter(({ certificate }) => certificate).map(({ name }) => name);
    const deployed = readDeployed(owner);
    const fly = deployed.then((before) =>
        flyPreflight({
            ...{ endpoint, token, appName, region, organization },
            deployed: before.broker,
            volume: neededVolume(before, settings),
        }),
    );
    const registryAnswer = deployed.then(({ image }): RegistryAnswer | Promise<RegistryAnswer> =>
        token === undefined ? {} : askRegistry(registry, token, image?.repoDigest),
    );
    const problems = await Promise.all([
        deployed.then((before) => authoritiesProblem(before, authorities, devices)),
        deployed.then((before) => fileSizeProblem(settings, before)),
        deployed.then((before) => replacementProblems(before, settings)),
        fly.then(({ problems }) => problems),
        registryAnswer.then(({ problem }) => problem),
        dockerProblem(process.env),
    ]);
    const found = problems.flat().filter((problem) => problem !== undefined);
    if (found.length > 0) throw new SettingsError(settings.place, found);
    return {
        deployed: await deployed,
        warnings: (await fly).warnings,
        imageMissing: (await registryAnswer).imageMissing ?? false,
    };
}

/** The deployed volume; undefined where the settings name another one, or say to start without the data. */
function neededVolume({ appName: app, volumeId: id }: Deployed, settings: Settings) {
    const { region, imports, volume } = settings;
    const { name, snapshotId, onReplace } = volume;
    const replaceable = imports.volume !== undefined || onReplace === "discard";
    return app === undefined || id === undefined || replaceable
        ? undefined
        : { app, id, name, region, snapshotId };
}
