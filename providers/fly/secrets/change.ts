/** Sets an app's secrets, and applies their files to the running machine. */
import { PartialFailure } from "../../provider.ts";
import { MAX_VALUE_BYTES, packBundle, splitBundle } from "./bundle.ts";
import { flyClient } from "../api/client.ts";
import { changeLive } from "./live.ts";
import type { SecretsInputs, SecretsOutputs } from "./inputs.ts";
import { toOutputs, type WireSecrets } from "./state.ts";
import type { WireMachine } from "../api/types.ts";

type Olds = Pick<SecretsOutputs, "salt" | "digests"> &
    Partial<Pick<SecretsOutputs, "number" | "restartVersion">>;

/**
 * Sets the secrets, and applies the files to a running machine. Of two bundles a machine takes the one with the
 * higher number, so the new number exceeds every known one, whatever the local clock says.
 * @param olds the state; only salt and no digests at create
 * @throws PartialFailure where the secrets are set, but the machine may not have taken them
 */
export async function changeSecrets(
    id: string,
    news: SecretsInputs,
    olds: Olds,
    { removed, left }: { removed: readonly string[]; left: readonly string[] },
): Promise<SecretsOutputs> {
    const { endpoint, app, live, files } = news;
    const client = flyClient(endpoint);
    const least = Math.max((olds.number ?? 0) + 1, Date.now());
    const set = (values: Record<string, string>) =>
        setSecrets(news, {
            ...Object.fromEntries(removed.map((name) => [name, null])),
            ...values,
        });
    if (!live || client.hasMade(app)) {
        const answer = await set(valuesOf(news, least));
        return toOutputs(news, olds, { answer, number: least, left });
    }
    const { answer, number, restart, startedWith, failure } = await changeLive({
        client,
        app,
        live,
        files,
        least,
        valuesOf: (number) => valuesOf(news, number),
        set,
    });
    const restartVersion = restart ? undefined : (olds.restartVersion ?? startedWith);
    const outs = toOutputs(news, olds, { answer, number, restartVersion, left });
    if (failure) {
        // Without fingerprints, the next `up` sets and applies all of them again.
        const unsure: SecretsOutputs = { ...outs, fingerprints: {} };
        throw new PartialFailure(id, unsure, failure);
    }
    return outs;
}

export function valuesOf(
    { app, files, names }: SecretsInputs,
    number: number,
): Record<string, string> {
    return splitBundle(packBundle({ number, app, files }), names);
}

/**
 * Lists secrets that a machine's configuration still names, without which it could not start before its next
 * update. Lists none where a file is so large that no machine could start anyway.
 */
export async function stillNeeded(
    { endpoint, app, files }: SecretsInputs,
    unnamed: readonly string[],
): Promise<string[]> {
    const large = Object.values(files).some((text) => text.length > MAX_VALUE_BYTES);
    if (unnamed.length === 0 || large) {
        return [];
    }
    const machines = await flyClient(endpoint).get<WireMachine[]>(["apps", app, "machines"]);
    const needed = new Set(
        machines.flatMap(({ config }) =>
            (config?.files ?? []).map(({ secret_name: name }) => name),
        ),
    );
    return unnamed.filter((name) => needed.has(name));
}

/** Sets secrets; null removes one. Safe to repeat, since setting the same values twice does no harm. */
export async function setSecrets(
    at: { readonly endpoint: string; readonly app: string },
    values: Record<string, string | null>,
): Promise<WireSecrets> {
    return await flyClient(at.endpoint).post<WireSecrets>(["apps", at.app, "secrets"], {
        body: { values },
        safe: true,
        secrets: Object.values(values).filter((value) => value !== null),
    });
}
