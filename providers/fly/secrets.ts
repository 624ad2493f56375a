/** An app's secrets. Fly gives a machine those that are there when it starts or is updated. */
import {
    diffProperties,
    failuresOf,
    isUnknown,
    PartialFailure,
    toState,
    type Provider,
} from "../provider.ts";
import { flyClient } from "./client.ts";
import { isGone } from "./errors.ts";
import { changeLive, type LiveInputs } from "./live.ts";
import { SECRETS_RULES, type SecretsInputs, type SecretsOutputs } from "./secrets-inputs.ts";
import {
    complete,
    fingerprint,
    newSalt,
    toOutputs,
    valuesDiffer,
    type WireSecrets,
} from "./secrets-state.ts";
import { configure } from "./token.ts";

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
/** A word on a line of its own. */
const FILE = /^[A-Za-z0-9._-]+$/;

export const secrets: Provider<SecretsInputs, SecretsOutputs> = {
    configure,

    check(_olds, news) {
        const names = isUnknown(news.values) ? [] : Object.keys(news.values);
        const wrong = names.filter((name) => !NAME.test(name));
        const notText = names.filter((name) => typeof news.values[name] !== "string");
        const failures = failuresOf([
            [
                "values",
                wrong.length > 0
                    ? `${wrong.join(", ")}: a secret's name is letters, digits and underscores, and does not start with a digit`
                    : undefined,
            ],
            ["values", notText.length > 0 ? `${notText.join(", ")}: not a string` : undefined],
            ["app", news.app ? undefined : "secrets need an app"],
            ["live", liveProblem(news.live)],
        ]);
        return Promise.resolve({ inputs: news, failures });
    },

    diff(_id, state, news) {
        const olds = complete(state);
        const { changed, replaces } = diffProperties<Omit<SecretsInputs, "values">>(
            olds,
            news,
            SECRETS_RULES,
        );
        return Promise.resolve({
            changes:
                changed.length > 0 ||
                valuesDiffer(olds, news) ||
                state.restartVersion === undefined,
            replaces,
            deleteBeforeReplace: replaces.length === 0,
        });
    },

    async create(inputs) {
        const answer = await setSecrets(inputs, inputs.values);
        const olds = { salt: newSalt(), digests: {} };
        return { id: `${inputs.app}/secrets`, outs: toOutputs(inputs, olds, answer) };
    },

    async read(id, props) {
        if (!props) {
            throw new Error("The secrets' state has no properties: they cannot be read.");
        }
        let found: WireSecrets;
        try {
            found = await flyClient(props.endpoint).get<WireSecrets>([
                "apps",
                props.app,
                "secrets",
            ]);
        } catch (error) {
            if (isGone(error)) {
                return {};
            }
            throw error;
        }
        const present = new Map((found.secrets ?? []).map(({ name, digest }) => [name, digest]));
        const { digests, fingerprints } = complete(props);
        const names = Object.keys({ ...digests, ...fingerprints });
        if (names.length > 0 && !names.some((name) => present.has(name))) {
            return {};
        }
        // What someone changed or removed loses its fingerprint, and so differs from any value.
        const kept = names.filter(
            (name) => name in fingerprints && present.get(name) === digests[name],
        );
        return {
            id,
            props: toState({
                ...props,
                digests: Object.fromEntries(
                    names.flatMap((name) => {
                        const digest = present.get(name);
                        return digest === undefined ? [] : [[name, digest]];
                    }),
                ),
                fingerprints: Object.fromEntries(
                    kept.map((name) => [name, fingerprints[name] ?? ""]),
                ),
            }),
        };
    },

    async update(id, state, news) {
        const olds = complete(state);
        const moved = olds.endpoint !== news.endpoint;
        const values: Record<string, string | null> = {};
        for (const name of Object.keys({ ...olds.digests, ...olds.fingerprints })) {
            if (!(name in news.values)) {
                values[name] = null;
            }
        }
        for (const [name, value] of Object.entries(news.values)) {
            if (moved || olds.fingerprints[name] !== fingerprint(olds.salt, value)) {
                values[name] = value;
            }
        }
        if (Object.keys(values).length === 0) {
            const { endpoint, app, live } = news;
            return { outs: { ...olds, endpoint, app, ...(live && { live }) } };
        }
        const set = () => setSecrets(news, values);
        if (!news.live) {
            return { outs: toOutputs(news, olds, await set()) };
        }
        const { answer, restart, failure } = await changeLive(flyClient(news.endpoint), {
            app: news.app,
            live: news.live,
            values: news.values,
            changed: Object.keys(values),
            set,
        });
        const outs = toOutputs(news, olds, answer, restart ? undefined : olds.restartVersion);
        if (failure) {
            // Without fingerprints the next `up` sets and applies all of them, whatever they are by then.
            const unsure: SecretsOutputs = { ...outs, fingerprints: {} };
            throw new PartialFailure(id, unsure, failure);
        }
        return { outs };
    },

    async delete(_id, props) {
        const names = Object.keys({ ...props.digests, ...props.fingerprints });
        if (names.length === 0) {
            return;
        }
        try {
            await setSecrets(props, Object.fromEntries(names.map((name) => [name, null])));
        } catch (error) {
            if (!isGone(error)) {
                throw error;
            }
        }
    },
};

function liveProblem(live: LiveInputs | undefined): string | undefined {
    if (live === undefined || isUnknown(live) || isUnknown(live.files)) {
        return undefined;
    }
    const wrong = Object.values(live.files).filter((file) => !isUnknown(file) && !FILE.test(file));
    return wrong.length > 0
        ? `${wrong.join(", ")}: a file's name is letters, digits, dots, underscores and hyphens`
        : undefined;
}

/** Setting the same values twice does no harm, so the request may be repeated. */
async function setSecrets(
    at: { readonly endpoint: string; readonly app: string },
    values: Record<string, string | null>,
): Promise<WireSecrets> {
    return await flyClient(at.endpoint).post<WireSecrets>(["apps", at.app, "secrets"], {
        body: { values },
        safe: true,
        secrets: Object.values(values).filter((value) => value !== null),
    });
}
