"""Formats of tokens, as their vendors document them, compiled into one search.

A line of the table gives the vendor and the token: what is written stands for itself, and
``{m32}`` for 32 characters of an alphabet, ``{m32-40}`` for 32 to 40, ``{m32+}`` for 32 and
more. The text before the first brace is what a reader may still see of the token.

``h`` lower-case hexadecimal, ``a`` lower-case letters and digits, ``A`` capitals and digits,
``m`` letters and digits, ``w`` those with ``_`` and ``-``, ``b`` base64, ``d`` digits.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final, NamedTuple

from .own_secrets import MASK

__all__ = ["FORMATS", "Format", "holds_tokens", "without_tokens"]


class Format(NamedTuple):
    """The format of a token.

    Attributes:
        vendor: Whose tokens they are, and of which kind.
        pattern: What they look like, in the notation of the table.
        documented: Where the vendor, or its code, shows the format.
    """

    vendor: str
    pattern: str
    documented: str


_TABLE: Final = """
Hugging Face user           | hf_{m30+}                          | huggingface.co/docs/hub/security-tokens
Hugging Face organization   | api_org_{m30+}                     | huggingface.co/docs/hub/security-tokens
NVIDIA                      | nvapi-{w60+}                       | docs.nvidia.com/nim, build.nvidia.com
LangSmith personal          | lsv2_pt_{h32}_{h10}                | docs.smith.langchain.com/administration
LangSmith service           | lsv2_sk_{h32}_{h10}                | docs.smith.langchain.com/administration
LangSmith                   | ls__{h32}                          | docs.smith.langchain.com/administration
Langfuse secret             | sk-lf-{h8}-{h4}-{h4}-{h4}-{h12}    | langfuse.com/docs
Langfuse public             | pk-lf-{h8}-{h4}-{h4}-{h4}-{h12}    | langfuse.com/docs
Pinecone                    | pcsk_{m5-6}_{m40+}                 | docs.pinecone.io/guides/projects/manage-api-keys
Weights & Biases            | wandb_v1_{w40+}                    | docs.wandb.ai/support
Databricks token            | dapi{h32}                          | docs.databricks.com/dev-tools/auth/pat
Databricks OAuth            | dose{h32}                          | docs.databricks.com/dev-tools/auth/oauth-m2m
Databricks key              | dkea{h32}                          | docs.databricks.com/dev-tools/auth
Amazon Bedrock, long        | ABSK{b100+}                        | docs.aws.amazon.com/bedrock/api-keys
Amazon Bedrock, short       | bedrock-api-key-{b60+}             | docs.aws.amazon.com/bedrock/api-keys
AWS access key              | AKIA{A16}                          | docs.aws.amazon.com/IAM/identifiers
AWS temporary key           | ASIA{A16}                          | docs.aws.amazon.com/IAM/identifiers
AWS bearer                  | ABIA{A16}                          | docs.aws.amazon.com/IAM/identifiers
AWS context                 | ACCA{A16}                          | docs.aws.amazon.com/IAM/identifiers
OpenAI project              | sk-proj-{w40+}                     | platform.openai.com/docs
OpenAI service account      | sk-svcacct-{w40+}                  | platform.openai.com/docs
OpenAI admin                | sk-admin-{w40+}                    | platform.openai.com/docs
OpenAI user                 | sk-{m20}T3BlbkFJ{m20}              | platform.openai.com/docs
OpenAI user, none           | sk-None-{w40+}                     | platform.openai.com/docs
Anthropic                   | sk-ant-{w20+}                      | docs.anthropic.com/api
OpenRouter                  | sk-or-v1-{h64}                     | openrouter.ai/docs/api-keys
DeepSeek and kin            | sk-{h32}                           | api-docs.deepseek.com
Together                    | tgp_v1_{w40+}                      | docs.together.ai
Groq                        | gsk_{m40+}                         | console.groq.com/docs
Replicate                   | r8_{m37}                           | replicate.com/docs/topics/security
Perplexity                  | pplx-{m40+}                        | docs.perplexity.ai
xAI                         | xai-{m60+}                         | docs.x.ai
Fireworks                   | fw_{m22+}                          | docs.fireworks.ai
Jina                        | jina_{w50+}                        | jina.ai/embeddings
Tavily                      | tvly-{m28+}                        | docs.tavily.com
Tavily development          | tvly-dev-{m28+}                    | docs.tavily.com
E2B                         | e2b_{h40}                          | e2b.dev/docs
Cerebras                    | csk-{a40+}                         | inference-docs.cerebras.ai
Modal id                    | ak-{m22}                           | modal.com/docs/reference/modal.config
Modal secret                | as-{m22}                           | modal.com/docs/reference/modal.config
RunPod                      | rpa_{A40+}                         | docs.runpod.io/get-started/api-keys
Lightning                   | lit_{m32+}                         | lightning.ai/docs
ZenML service key           | ZENKEY_{b12+}                      | docs.zenml.io/api-reference
ZenML Pro service key       | ZENPROKEY_{b12+}                   | docs.zenml.io/pro
ZenML personal token        | ZENPAT_{b12+}                      | docs.zenml.io/pro
ZenML Pro personal token    | ZENPROPAT_{b12+}                   | docs.zenml.io/pro
Dagster                     | dagster:{w20+}                     | docs.dagster.io/dagster-plus
Prefect user                | pnu_{m36}                          | docs.prefect.io/cloud/api-keys
Prefect bot                 | pnb_{m36}                          | docs.prefect.io/cloud/api-keys
Azure AD client secret      | {x3}{d1}Q~{x31-34}                 | learn.microsoft.com/entra/identity-platform
Azure DevOps                | {m76}AZDO{m4}                      | learn.microsoft.com/azure/devops/pats
Azure storage               | {b76}+AStA{b5}==                   | learn.microsoft.com/azure/storage
Azure functions             | {w44}AzFu{b5}==                    | learn.microsoft.com/azure/azure-functions
Azure search                | {m42}AzSe{m6}                      | learn.microsoft.com/azure/search
Azure container registry    | {m42}+ACR{m6}                      | learn.microsoft.com/azure/container-registry
Azure Cosmos                | {m76}ACDb{b5}==                    | learn.microsoft.com/azure/cosmos-db
Azure AI services           | {m52}AAA{m25}                      | learn.microsoft.com/azure/ai-services
Google API                  | AIza{w30+}                         | cloud.google.com/docs/authentication/api-keys
Google OAuth                | ya29.{w20+}                        | developers.google.com/identity/protocols/oauth2
Google refresh              | 1//0{w30+}                         | developers.google.com/identity/protocols/oauth2
Google client secret        | GOCSPX-{w24+}                      | support.google.com/cloud
Google HMAC                 | GOOG{A20}                          | cloud.google.com/storage/docs/hmackeys
Alibaba Cloud               | LTAI{m12-26}                       | alibabacloud.com/help/ram
Tencent Cloud               | AKID{m32}                          | cloud.tencent.com/document
Yandex token                | t1.{w86+}                          | yandex.cloud/docs/iam
Yandex key                  | AQVN{w35}                          | yandex.cloud/docs/iam
Yandex static               | YCAJ{w20+}                         | yandex.cloud/docs/iam
GitHub personal             | ghp_{m20+}                         | docs.github.com/authentication
GitHub OAuth                | gho_{m20+}                         | docs.github.com/authentication
GitHub user to server       | ghu_{m20+}                         | docs.github.com/authentication
GitHub server to server     | ghs_{m20+}                         | docs.github.com/authentication
GitHub refresh              | ghr_{m20+}                         | docs.github.com/authentication
GitHub fine-grained         | github_pat_{w20+}                  | docs.github.com/authentication
GitLab personal             | glpat-{x16+}                       | docs.gitlab.com/security/tokens
GitLab deploy               | gldt-{w16+}                        | docs.gitlab.com/security/tokens
GitLab trigger              | glptt-{w20+}                       | docs.gitlab.com/security/tokens
GitLab runner               | glrt-{x16+}                        | docs.gitlab.com/security/tokens
GitLab runner, registered   | glrtr-{x16+}                       | docs.gitlab.com/security/tokens
GitLab job                  | glcbt-{w16+}                       | docs.gitlab.com/security/tokens
GitLab feed                 | glft-{w16+}                        | docs.gitlab.com/security/tokens
GitLab incoming mail        | glimt-{w16+}                       | docs.gitlab.com/security/tokens
GitLab agent                | glagent-{w32+}                     | docs.gitlab.com/security/tokens
GitLab OAuth                | gloas-{w32+}                       | docs.gitlab.com/security/tokens
GitLab SCIM                 | glsoat-{w16+}                      | docs.gitlab.com/security/tokens
GitLab feature flags        | glffct-{w16+}                      | docs.gitlab.com/security/tokens
Bitbucket                   | BBDC-{b30+}                        | confluence.atlassian.com/bitbucketserver
Atlassian user              | ATATT3{w60+}                       | support.atlassian.com/api-tokens
Atlassian app password      | ATBB{m28+}                         | support.atlassian.com/bitbucket-cloud
Atlassian client            | ATCTT3{w60+}                       | support.atlassian.com/api-tokens
Atlassian organization      | ATOA{w60+}                         | support.atlassian.com/api-tokens
Slack                       | xox{l1}-{w10+}                     | docs.slack.dev/authentication/tokens
Slack rotating              | xoxe.xox{l1}-{w20+}                | docs.slack.dev/authentication/tokens
Slack app                   | xapp-{w10+}                        | docs.slack.dev/authentication/tokens
Telegram bot                | {d8-10}:AA{w30+}                   | core.telegram.org/bots/api
Discord bot                 | {W23-28}.{w6-7}.{w27-38}           | discord.com/developers/docs/reference
Stripe secret, live         | sk_live_{m16+}                     | docs.stripe.com/keys
Stripe secret, test         | sk_test_{m16+}                     | docs.stripe.com/keys
Stripe restricted, live     | rk_live_{m16+}                     | docs.stripe.com/keys
Stripe restricted, test     | rk_test_{m16+}                     | docs.stripe.com/keys
Stripe public, live         | pk_live_{m16+}                     | docs.stripe.com/keys
Stripe webhook              | whsec_{b24+}                       | docs.stripe.com/webhooks
Square secret               | sq0csp-{w40+}                      | developer.squareup.com/docs
Square token                | sq0atp-{w20+}                      | developer.squareup.com/docs
Square                      | EAAA{w56+}                         | developer.squareup.com/docs
PayPal                      | access_token$production${a16}${h32} | developer.paypal.com/braintree
EasyPost                    | EZAK{m54}                          | docs.easypost.com
EasyPost test               | EZTK{m54}                          | docs.easypost.com
Shopify app                 | shpat_{h32}                        | shopify.dev/docs/apps/auth
Shopify shared              | shpss_{h32}                        | shopify.dev/docs/apps/auth
Shopify custom app          | shpca_{h32}                        | shopify.dev/docs/apps/auth
Shopify private app         | shppa_{h32}                        | shopify.dev/docs/apps/auth
SendGrid                    | SG.{w16+}.{w16+}                   | twilio.com/docs/sendgrid
Brevo                       | xkeysib-{h64}-{m16}                | developers.brevo.com
Brevo SMTP                  | xsmtpsib-{h64}-{m16}               | developers.brevo.com
Mailgun                     | key-{h32}                          | documentation.mailgun.com
Mailchimp                   | {h32}-us{d1-2}                     | mailchimp.com/developer
Mandrill                    | md-{w22}                           | mailchimp.com/developer/transactional
Resend                      | re_{m6+}_{m16+}                    | resend.com/docs
Twilio                      | SK{h32}                            | twilio.com/docs/iam/api-keys
npm                         | npm_{m36}                          | docs.npmjs.com/about-access-tokens
PyPI                        | pypi-AgE{w16+}                     | pypi.org/help
RubyGems                    | rubygems_{h48}                     | guides.rubygems.org/api-key-scopes
NuGet                       | oy2{a43}                           | learn.microsoft.com/nuget
crates.io                   | cio{m32}                           | doc.rust-lang.org/cargo
Clojars                     | CLOJARS_{h60}                      | github.com/clojars/clojars-web/wiki
Docker personal             | dckr_pat_{w24+}                    | docs.docker.com/security/access-tokens
Docker organization         | dckr_oat_{w24+}                    | docs.docker.com/security/access-tokens
DigitalOcean                | dop_v1_{h64}                       | docs.digitalocean.com/reference/api
DigitalOcean OAuth          | doo_v1_{h64}                       | docs.digitalocean.com/reference/api
DigitalOcean refresh        | dor_v1_{h64}                       | docs.digitalocean.com/reference/api
HashiCorp Vault service     | hvs.{w20+}                         | developer.hashicorp.com/vault/docs/concepts/tokens
HashiCorp Vault batch       | hvb.{w60+}                         | developer.hashicorp.com/vault/docs/concepts/tokens
HashiCorp Vault recovery    | hvr.{w20+}                         | developer.hashicorp.com/vault/docs/concepts/tokens
HashiCorp Vault, old        | s.{m24}                            | developer.hashicorp.com/vault/docs/concepts/tokens
HCP Terraform               | {m14}.atlasv1.{w60+}               | developer.hashicorp.com/terraform/cloud-docs
Pulumi                      | pul-{h40}                          | pulumi.com/docs
Fly                         | fo1_{w43}                          | fly.io/docs
Fly macaroon                | fm1{l1}_{b40+}                     | fly.io/docs
Fly macaroon 2              | fm2_{b40+}                         | fly.io/docs
Supabase                    | sbp_{h40}                          | supabase.com/docs
Supabase secret             | sb_secret_{w22+}                   | supabase.com/docs/guides/api/api-keys
Netlify                     | nfp_{m36+}                         | docs.netlify.com
Vercel blob                 | vercel_blob_rw_{w24+}              | vercel.com/docs
Render                      | rnd_{m28+}                         | render.com/docs/api
Heroku                      | HRKU-{w36+}                        | devcenter.heroku.com
Cloudflare origin           | v1.0-{h24}-{h146}                  | developers.cloudflare.com
PostHog project             | phc_{m40+}                         | posthog.com/docs/api
PostHog personal            | phx_{m40+}                         | posthog.com/docs/api
New Relic user              | NRAK-{A27}                         | docs.newrelic.com/docs/apis
New Relic browser           | NRJS-{h19}                         | docs.newrelic.com/docs/apis
New Relic insert            | NRII-{w32}                         | docs.newrelic.com/docs/apis
New Relic license           | {h36}FFFFNRAL                      | docs.newrelic.com/docs/apis
Grafana service account     | glsa_{m32}_{h8}                    | grafana.com/docs/grafana/administration
Grafana Cloud               | glc_eyJ{b30+}                      | grafana.com/docs/grafana-cloud
Sentry organization         | sntrys_eyJ{b30+}_{b30+}            | docs.sentry.io/account/auth-tokens
Sentry user                 | sntryu_{h64}                       | docs.sentry.io/account/auth-tokens
Dynatrace                   | dt0{l1}{d2}.{A24}.{A64}            | docs.dynatrace.com/access-tokens
Honeycomb                   | hcaik_{a50+}                       | docs.honeycomb.io
Sumo Logic                  | suk{m40+}                          | help.sumologic.com
Notion                      | ntn_{m40+}                         | developers.notion.com
Notion, old                 | secret_{m43}                       | developers.notion.com
Linear                      | lin_api_{m32+}                     | linear.app/developers
Linear OAuth                | lin_oauth_{m32+}                   | linear.app/developers
Airtable                    | pat{m14}.{h64}                     | airtable.com/developers/web
Asana                       | {d14-18}:{h32}                     | developers.asana.com
ClickUp                     | pk_{d6-9}_{A32}                    | developer.clickup.com
Figma                       | figd_{w36+}                        | figma.com/developers/api
Postman                     | PMAK-{h24}-{h34}                   | learning.postman.com
PlanetScale token           | pscale_tkn_{x32+}                  | planetscale.com/docs
PlanetScale OAuth           | pscale_oauth_{x32+}                | planetscale.com/docs
PlanetScale password        | pscale_pw_{x32+}                   | planetscale.com/docs
Neon                        | napi_{a48+}                        | neon.com/docs/manage/api-keys
Tailscale                   | tskey-{l3+}-{m10+}-{m16+}          | tailscale.com/kb/1252/key-secret-management
1Password                   | ops_eyJ{b100+}                     | developer.1password.com
age                         | AGE-SECRET-KEY-1{A20+}             | age-encryption.org
Contentful                  | CFPAT-{w40+}                       | contentful.com/developers
Sourcegraph                 | sgp_{w40+}                         | sourcegraph.com/docs
Dropbox                     | sl.{w100+}                         | dropbox.com/developers
Doppler personal            | dp.pt.{m40+}                       | docs.doppler.com/reference/auth-token-formats
Doppler service             | dp.st.{W0-20}.{m40+}               | docs.doppler.com/reference/auth-token-formats
Doppler service, plain      | dp.st.{m40+}                       | docs.doppler.com/reference/auth-token-formats
Doppler CLI                 | dp.ct.{m40+}                       | docs.doppler.com/reference/auth-token-formats
Doppler service account     | dp.sa.{m40+}                       | docs.doppler.com/reference/auth-token-formats
Doppler audit               | dp.audit.{m40+}                    | docs.doppler.com/reference/auth-token-formats
JFrog                       | AKCp{m60+}                         | jfrog.com/help
JFrog reference             | cmVmd{m59}                         | jfrog.com/help
CircleCI personal           | CCIPAT_{m22}_{h40}                 | circleci.com/docs
CircleCI project            | CCIPRJ_{m22}_{h40}                 | circleci.com/docs
Buildkite                   | bkua_{h40}                         | buildkite.com/docs/apis/managing-api-tokens
SonarQube user              | squ_{h40}                          | docs.sonarsource.com
SonarQube project           | sqp_{h40}                          | docs.sonarsource.com
SonarQube analysis          | sqa_{h40}                          | docs.sonarsource.com
OpenShift                   | sha256~{w43}                       | docs.openshift.com
Snyk                        | snyk_{l3}.{h8}.{w24+}              | docs.snyk.io
Infracost                   | ico-{m32}                          | infracost.io/docs
ReadMe                      | rdme_{a70}                         | docs.readme.com
Prefect, old                | pcu_{m20+}                         | docs.prefect.io/cloud/api-keys
Typeform                    | tfp_{x40+}                         | typeform.com/developers
Duffel                      | duffel_live_{w43}                  | duffel.com/docs/api
Frame.io                    | fio-u-{w64}                        | developer.frame.io
Adobe                       | p8e-{a32}                          | developer.adobe.com
Adafruit                    | aio_{m28}                          | io.adafruit.com/api/docs
Facebook                    | EAACEdEose0cBA{m16+}               | developers.facebook.com
Facebook access             | EAAM{m80+}                         | developers.facebook.com
Mapbox secret               | sk.eyJ{w60+}.{w20+}                | docs.mapbox.com/help/glossary/access-token
Mapbox public               | pk.eyJ{w60+}.{w20+}                | docs.mapbox.com/help/glossary/access-token
Scaleway                    | SCW{A17}                           | scaleway.com/docs
Flutterwave                 | FLWSECK_TEST-{h12}                 | developer.flutterwave.com
LaunchDarkly                | api-{h8}-{h4}-{h4}-{h4}-{h12}      | launchdarkly.com/docs
LaunchDarkly SDK            | sdk-{h8}-{h4}-{h4}-{h4}-{h12}      | launchdarkly.com/docs
Rootly                      | rootly_{h64}                       | docs.rootly.com
Unkey                       | unkey_{m20+}                       | unkey.com/docs
Polar                       | polar_oat_{w40+}                   | polar.sh/docs
Clerk                       | ak_live_{m30+}                     | clerk.com/docs
WorkOS                      | sk_prod_{m20+}                     | workos.com/docs
JSON Web Token (RFC 7519)   | eyJ{w8+}.{w8+}                     | rfc-editor.org/rfc/rfc7519
Any vendor in OpenAI's form | sk-{r20+}                          | platform.openai.com/docs
"""  # noqa: E501 - a table
FORMATS: Final = tuple(
    Format(*map(str.strip, line.split("|"))) for line in _TABLE.strip().split("\n")
)
_ALPHABETS: Final = {
    "h": "[0-9a-f]",
    "a": "[a-z0-9]",
    "A": "[A-Z0-9]",
    "m": "[A-Za-z0-9]",
    "l": "[a-z]",
    "w": r"[A-Za-z0-9_-]",
    "W": r"[A-Za-z0-9_-]",
    "x": r"[A-Za-z0-9_.~-]",
    "b": "[A-Za-z0-9+/_-]",
    "d": "[0-9]",
    # With a digit within the first characters, and one part that is not a word.
    "r": r"(?=[\w-]{0,60}?(?:[0-9][a-zA-Z]{1,6}[0-9]|[a-z][A-Z]{1,2}[a-z]?[0-9A-Z]))[\w-]",
}
_BLANK: Final = re.compile(r"\{(\w)(\d+)(?:-(\d+)|(\+))?\}")
# A longer run is a different token; a full stop or "=" ends a sentence or begins none.
_END: Final = r"(?![A-Za-z0-9_-])"
_SHORTEST: Final = 20
_BREAKS: Final = str.maketrans(dict.fromkeys("/\"'(),;=<>[]{}|", " "))


def _regex(pattern: str) -> str:
    pieces: list[str] = []
    at = 0
    for blank in _BLANK.finditer(pattern):
        pieces.append(re.escape(pattern[at : blank.start()]))
        alphabet, least, most, more = blank.groups()
        characters = _ALPHABETS[alphabet]
        if alphabet == "r":
            characters, pieces[-1] = r"[\w-]", pieces[-1] + characters.removesuffix(r"[\w-]")
        pieces.append(f"{characters}{{{least},{'' if more else most or least}}}")
        at = blank.end()
    pieces.append(re.escape(pattern[at:]))
    if pattern.startswith("eyJ"):
        pieces.append(r"(?:\.[\w-]*)*")
    if not pattern.endswith("+}"):
        pieces.append(_END)
    elif "{b" in pattern:
        pieces.append("={0,2}")
    begin = r"(?<![\w-])" if "{r" in pattern else ""
    return begin + "".join(pieces)


@cache
def _search() -> re.Pattern[str]:
    by_first: dict[str, list[str]] = {}
    for known in FORMATS:
        start = known.pattern.partition("{")[0]
        by_first.setdefault(start[:1], []).append(f"(?:{_regex(known.pattern)})")
    unlike = by_first.pop("", [])
    groups = [f"(?={re.escape(first)})(?:{'|'.join(them)})" for first, them in by_first.items()]
    # It begins where a word does, and behind an escaped or encoded character.
    begin = r"(?:(?<![A-Za-z0-9])|(?<=\\[nrt])|(?<=%[0-9A-F]{2}))(?=[\w.:~+/=$-]{16})"
    return re.compile(f"{begin}(?:{'|'.join(groups)}|(?<![\\w+-])(?:{'|'.join(unlike)}))")


def holds_tokens(text: str) -> bool:
    """Whether there is any token in the text; quick where no word is long enough for one."""
    long = [word for word in text.translate(_BREAKS).split() if len(word) >= _SHORTEST]
    if not long:
        return False
    if _search().search("\n".join(long)) is not None:
        return True
    return any(clue in text for clue in _clues_of_slashed()) and bool(_search().search(text))


@cache
def _clues_of_slashed() -> tuple[str, ...]:
    """Return what stands in tokens that may hold a slash, which breaks words."""
    slashed = [it.pattern for it in FORMATS if "{b" in it.pattern or "/" in it.pattern]
    return tuple({max(_BLANK.sub("\n", it).split("\n"), key=len) for it in slashed})


def without_tokens(text: str) -> tuple[str, int]:
    """Return the text without tokens of known formats, and how many there were.

    What a token begins with stays, so that the reader knows whose it was.
    """
    count = 0

    def replace(found: re.Match[str]) -> str:
        nonlocal count
        if len(set(found[0][-24:])) < 4:  # "xxxx...", not a token
            return found[0]
        count += 1
        start = next(filter(found[0].startswith, _starts()), "")
        return f"{start}...{MASK}" if start else MASK

    return _search().sub(replace, text), count


@cache
def _starts() -> tuple[str, ...]:
    starts = {known.pattern.partition("{")[0] for known in FORMATS}
    return tuple(sorted(filter(None, starts), key=len, reverse=True))
