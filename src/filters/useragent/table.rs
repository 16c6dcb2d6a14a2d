//! What common programs, systems and devices write into their header. The first that matches counts.
//!
//! Names are those that ua-parser has given them, since dashboards count by them. Where a name is empty it is the first group; the
//! groups behind it are the version, where a rule does not set its first parts itself.

/// An expression, a name, the first two parts of the version.
pub(super) type Rule = (&'static str, &'static str, &'static str, &'static str);

const fn rule(expression: &'static str) -> Rule {
    (expression, "", "", "")
}

const fn named(expression: &'static str, name: &'static str) -> Rule {
    (expression, name, "", "")
}

/// Browsers, crawlers, tools.
pub(super) const AGENTS: &[Rule] = &[
    // Crawlers.
    rule(
        r"(Googlebot(?:-Image|-Mobile|-News|-Video)?|AdsBot-Google(?:-Mobile)?|Mediapartners-Google)(?:/(\d+)\.(\d+))?",
    ),
    rule(r"(bingbot|msnbot|BingPreview|adidxbot)/(\d+)\.(\d+)"),
    rule(r"(Yandex(?:Bot|Images|Video|Media|Blogs|Metrika|Mobile[Bb]ot))/(\d+)\.(\d+)"),
    rule(r"(DuckDuckBot|DuckAssistBot)(?:-Https)?/(\d+)\.(\d+)"),
    rule(r"(Baiduspider(?:-render|-image|-video)?)(?:/(\d+)\.(\d+))?"),
    named(r"(Yahoo! Slurp)", ""),
    named(r"(facebookexternalhit|facebookcatalog)/(\d+)\.(\d+)", "FacebookBot"),
    rule(r"(meta-externalagent|meta-externalfetcher)/(\d+)\.(\d+)"),
    rule(
        r"(AhrefsBot|SemrushBot|MJ12bot|DotBot|PetalBot|Applebot|Twitterbot|LinkedInBot|Pinterestbot|Discordbot|TelegramBot|Slackbot|GPTBot|ClaudeBot|CCBot|Amazonbot|Bytespider|SeznamBot|coccocbot-web|UptimeRobot|Exabot|archive\.org_bot|BLEXBot|OAI-SearchBot|PerplexityBot|ChatGPT-User)(?:-LinkExpanding)?[/ ](?:v)?(\d+)(?:\.(\d+)(?:\.(\d+))?)?",
    ),
    named(r"(Pingdom\.com_bot)_version_(\d+)\.(\d+)", "PingdomBot"),
    rule(r"(?:^|[ ;(])([A-Za-z][\w.-]*(?:[Bb]ot|BOT|[Ss]pider|[Cc]rawler))/v?(\d+)(?:\.(\d+)(?:\.(\d+))?)?"),
    rule(r"(?:^|[ ;(])([A-Za-z][\w.-]*(?:[Bb]ot|[Ss]pider|[Cc]rawler))(?:[);]|$)"),
    // Apps.
    named(r"(FBAN/FBIOS|FBAN/FB4A|FB_IAB/FB4A|FBIOS)(?:.*?FBAV/(\d+)\.(\d+)(?:\.(\d+))?)?", "Facebook"),
    named(
        r"(FBAN/MessengerForiOS|FB_IAB/MESSENGER|FB_IAB/Orca-Android)(?:.*?FBAV/(\d+)\.(\d+)(?:\.(\d+))?)?",
        "Facebook Messenger",
    ),
    rule(r"(Instagram)[ /](\d+)\.(\d+)(?:\.(\d+))?"),
    rule(r"(Snapchat|WhatsApp|Pinterest|Spotify|Slack|Teams|Discord|Signal)/(\d+)\.(\d+)(?:\.(\d+))?"),
    named(r"(GSA)/(\d+)\.(\d+)(?:\.(\d+))?", "Google"),
    rule(r"(MacOutlook)/(\d+)\.(\d+)\.(\d+)(?:\.(\d+))?"),
    named(r"(Microsoft Outlook)[ /](\d+)\.(\d+)(?:\.(\d+))?", "Outlook"),
    rule(r"(Thunderbird)/(\d+)\.(\d+)(?:\.(\d+))?"),
    // Browsers built on another, which they name, too.
    named(r"Windows Phone .*(Edge)/(\d+)\.(\d+)", "Edge Mobile"),
    named(r"(EdgiOS|EdgA)/(\d+)\.(\d+)\.(\d+)(?:\.(\d+))?", "Edge Mobile"),
    named(r"(Edge?)/(\d+)(?:\.(\d+)(?:\.(\d+)(?:\.(\d+))?)?)?", "Edge"),
    named(r"(Opera Mini|OPiOS)(?:/att)?/?(\d+)?(?:\.(\d+)(?:\.(\d+))?)?", "Opera Mini"),
    named(r"(Opera Tablet).*Version/(\d+)\.(\d+)", "Opera Tablet"),
    named(r"(Opera Mobi).*Version/(\d+)\.(\d+)(?:\.(\d+))?", "Opera Mobile"),
    named(r"(OPT)/(\d+)\.(\d+)", "Opera Touch"),
    named(r"(?:Mobile Safari).*(OPR)/(\d+)\.(\d+)\.(\d+)", "Opera Mobile"),
    named(r"(OPRGX|OPX)/(\d+)\.(\d+)\.(\d+)", "Opera GX"),
    named(r"(OPR)/(\d+)\.(\d+)(?:\.(\d+)(?:\.(\d+))?)?", "Opera"),
    rule(r"(Opera)/9\.80.*Version/(\d+)\.(\d+)(?:\.(\d+))?"),
    rule(r"(Opera)[/ ](\d+)\.(\d+)"),
    named(r"(SamsungBrowser)/(\d+)\.(\d+)", "Samsung Internet"),
    named(r"(UCBrowser|UC Browser|UCWEB)[ /]?(\d+)\.(\d+)(?:\.(\d+))?", "UC Browser"),
    named(r"(YaBrowser|YaSearchBrowser)/(\d+)\.(\d+)(?:\.(\d+))?", "Yandex Browser"),
    named(r"(MQQBrowser)/(?:Mini)?(\d+)?(?:\.(\d+)(?:\.(\d+))?)?", "QQ Browser Mobile"),
    named(r"(QQBrowser)/(\d+)(?:\.(\d+)(?:\.(\d+))?)?", "QQ Browser"),
    rule(
        r"(Vivaldi|Brave|Whale|MiuiBrowser|HuaweiBrowser|HeyTapBrowser|Puffin|Maxthon|Iron|Falkon|QupZilla|Epiphany|Konqueror|PhantomJS|HeadlessChrome|Electron|Avast|QtWebEngine|Sleipnir|Midori)/(\d+)\.(\d+)(?:\.(\d+)(?:\.(\d+))?)?",
    ),
    named(r"(Silk)/(\d+)\.(\d+)(?:\.([0-9-]+))?", "Amazon Silk"),
    named(r"(DuckDuckGo|Ddg)/(\d+)(?:\.(\d+)(?:\.(\d+))?)?", "DuckDuckGo"),
    named(r"(coc_coc_browser)/(\d+)\.(\d+)(?:\.(\d+))?", "Coc Coc"),
    named(r"(PaleMoon)/(\d+)\.(\d+)(?:\.(\d+))?", "Pale Moon"),
    rule(r"(SeaMonkey|Waterfox|Iceweasel|IceCat|Camino|K-Meleon|Basilisk|LibreWolf)/(\d+)\.(\d+)(?:\.(\d+))?"),
    // Those that others are built on.
    named(r"(CriOS)/(\d+)\.(\d+)\.(\d+)\.(\d+)", "Chrome Mobile iOS"),
    named(r"(FxiOS)/(\d+)\.(\d+)(?:\.(\d+))?", "Firefox iOS"),
    named(r"(Focus|Klar)/(\d+)\.(\d+)(?:\.(\d+))?", "Firefox Focus"),
    named(r"; wv\).+(Chrome)/(\d+)\.(\d+)\.(\d+)\.(\d+)", "Chrome Mobile WebView"),
    named(r"(Chrome)/(\d+)\.(\d+)\.(\d+)\.(\d+) Mobile", "Chrome Mobile"),
    rule(r"(Chromium|Chrome)/(\d+)\.(\d+)(?:\.(\d+)(?:\.(\d+))?)?"),
    named(r"(?:Mobile|Tablet);.*(Firefox)/(\d+)\.(\d+)", "Firefox Mobile"),
    rule(r"(Firefox)/(\d+)\.(\d+)(?:\.(\d+))?"),
    named(r"(IEMobile)[ /](\d+)\.(\d+)", "IE Mobile"),
    named(r"(Trident)/7\.0.*rv:(\d+)\.(\d+)", "IE"),
    named(r"(MSIE) (\d+)\.(\d+)", "IE"),
    named(r"(BlackBerry|BB10).*Version/(\d+)\.(\d+)(?:\.(\d+))?", "BlackBerry WebKit"),
    named(r"(iPod|iPhone|iPad).+Version/(\d+)\.(\d+)(?:\.(\d+))?.*[ +]Safari", "Mobile Safari"),
    named(r"(iPod|iPhone|iPad).*; CPU.*OS[ +](\d+)_(\d+)(?:_(\d+))?.*Mobile.*[ +]Safari", "Mobile Safari"),
    named(r"(iPod|iPhone|iPad).*; CPU.*OS[ +](\d+)_(\d+)(?:_(\d+))?.*Mobile", "Mobile Safari UI/WKWebView"),
    rule(r"(Android)[ /-](\d+)(?:\.(\d+)(?:\.(\d+))?)?.*AppleWebKit"),
    named(r"(Version)/(\d+)\.(\d+)(?:\.(\d+))?.*Safari/", "Safari"),
    rule(r"(Safari)/\d+"),
    // Tools and libraries.
    named(r"(python-requests)/(\d+)\.(\d+)(?:\.(\d+))?", "Python Requests"),
    rule(r"(aiohttp)/(\d+)\.(\d+)(?:\.(\d+))?"),
    rule(
        r"(Python-urllib|python-httpx|libwww-perl|Apache-HttpClient|Go-http-client|PostmanRuntime|node-fetch|GuzzleHttp|kube-probe|ELB-HealthChecker|Prometheus|Grafana|Elastic-Heartbeat|reqwest|hyper|HTTPie|insomnia|axios|okhttp|curl|Wget|Java|Ruby|Dalvik|CFNetwork|GoogleHC|Telegraf|Fluent-Bit|Vector)/(\d+)(?:\.(\d+)(?:\.(\d+))?)?",
    ),
];

/// Operating systems.
pub(super) const SYSTEMS: &[Rule] = &[
    rule(r"(Windows Phone) (?:OS )?(\d+)\.(\d+)"),
    ("(Windows NT 5\\.1|Windows XP)", "Windows", "XP", ""),
    ("(Windows NT 5\\.2)", "Windows", "XP", ""),
    ("(Windows NT 6\\.0|Windows Vista)", "Windows", "Vista", ""),
    ("(Windows NT 6\\.1|Windows 7)", "Windows", "7", ""),
    ("(Windows NT 6\\.2; ARM)", "Windows", "RT", ""),
    ("(Windows NT 6\\.2|Windows 8)(?:[^.]|$)", "Windows", "8", ""),
    ("(Windows NT 6\\.3|Windows 8\\.1)", "Windows", "8", "1"),
    ("(Windows NT 6\\.4|Windows NT 10\\.0|Windows 10)", "Windows", "10", ""),
    ("(Windows NT 11\\.0|Windows 11)", "Windows", "11", ""),
    ("(Windows NT 5\\.0|Windows 2000)", "Windows", "2000", ""),
    ("(Windows ME|Win 9x 4\\.90)", "Windows", "ME", ""),
    ("(Windows 98|Win98)", "Windows", "98", ""),
    ("(Windows 95|Win95)", "Windows", "95", ""),
    ("(Windows NT 4\\.0|WinNT4\\.0)", "Windows", "NT 4.0", ""),
    ("(Windows CE)", "Windows", "CE", ""),
    rule(r"(KAIOS|KaiOS)/(\d+)\.(\d+)(?:\.(\d+))?"),
    named(r"(Tizen)[ /](\d+)\.(\d+)", "Tizen"),
    rule(r"(Android)[ /-](\d+)(?:\.(\d+)(?:\.(\d+))?)?"),
    rule(r"(Android)"),
    named(r"(AppleTV|Apple TV).*?(?:tvOS|CPU OS|OS X)[ /](\d+)[._](\d+)(?:[._](\d+))?", "tvOS"),
    named(r"(watchOS)[ ,/](\d+)\.(\d+)(?:\.(\d+))?", "WatchOS"),
    named(r"(CPU[ +]OS|iPhone[ +]OS|CPU[ +]iPhone|CPU IPhone OS)[ +]+(?:OS[ +]+)?(\d+)[_.](\d+)(?:[_.](\d+))?", "iOS"),
    named(r"(FBSN/iOS).*?FBSV/(\d+)\.(\d+)(?:\.(\d+))?", "iOS"),
    named(r"(iOS|iPhone OS)[ /](\d+)\.(\d+)(?:\.(\d+))?", "iOS"),
    named(r"(iPhone|iPad|iPod)", "iOS"),
    named(r"(Mac OS X|Mac_OS_X)(?: Version)?[ +/]+(\d+)[_.](\d+)(?:[_.](\d+))?", "Mac OS X"),
    named(r"(macOS)[/ ](\d+)\.(\d+)(?:\.(\d+))?", "Mac OS X"),
    ("CFNetwork/.*? (Darwin)/19\\.\\d+.*x86_64", "Mac OS X", "10", "15"),
    ("CFNetwork/.*? (Darwin)/20\\.\\d+.*x86_64", "Mac OS X", "11", ""),
    ("CFNetwork/.*? (Darwin)/21\\.\\d+.*x86_64", "Mac OS X", "12", ""),
    ("CFNetwork/.*? (Darwin)/22\\.\\d+.*x86_64", "Mac OS X", "13", ""),
    ("CFNetwork/.*? (Darwin)/19\\.\\d+", "iOS", "13", ""),
    ("CFNetwork/.*? (Darwin)/20\\.\\d+", "iOS", "14", ""),
    ("CFNetwork/.*? (Darwin)/21\\.\\d+", "iOS", "15", ""),
    ("CFNetwork/.*? (Darwin)/22\\.\\d+", "iOS", "16", ""),
    ("CFNetwork/.*? (Darwin)/23\\.\\d+", "iOS", "17", ""),
    ("CFNetwork/.*? (Darwin)/24\\.\\d+", "iOS", "18", ""),
    named(r"(Macintosh|Mac OS X|Mac_PowerPC|Darwin)", "Mac OS X"),
    named(r"(CrOS) [a-z0-9_]+ (\d+)\.(\d+)(?:\.(\d+))?", "Chrome OS"),
    named(r"(BB10|BlackBerry).*Version/(\d+)\.(\d+)\.(\d+)", "BlackBerry OS"),
    named(r"(BlackBerry)", "BlackBerry OS"),
    named(r"(Symbian|SymbOS|SymbianOS|Series ?60|S60)(?:[ /](\d+)\.(\d+))?", "Symbian OS"),
    named(r"(hpwOS|webOS|Web0S)(?:/(\d+)\.(\d+)(?:\.(\d+))?)?", "webOS"),
    rule(
        r"(Ubuntu|Kubuntu|Debian|Fedora|Gentoo|CentOS|Mandriva|SUSE|Arch Linux|Linux Mint|Slackware)(?:[/ -](\d+)(?:\.(\d+)(?:\.(\d+))?)?)?",
    ),
    named(r"(Red Hat)(?:[/ -](?:Enterprise Linux )?(\d+)\.(\d+))?", "Red Hat"),
    rule(r"(FreeBSD|NetBSD|OpenBSD|DragonFly|SunOS|Solaris|Haiku|AIX|HP-UX|IRIX)(?:[ /](\d+)(?:\.(\d+))?)?"),
    named(r"(PlayStation 4|PlayStation 5|Nintendo (?:Switch|3DS|WiiU?))", ""),
    rule(r"(Linux)[ /](\d+)\.(\d+)(?:\.(\d+))?"),
    rule(r"(Linux)"),
    named(r"(Windows)", "Windows"),
];

/// Devices; `$1` is the first group.
pub(super) const DEVICES: &[Rule] = &[
    named(
        r"(?:(?:[Bb]ot|BOT|[Ss]pider|[Cc]rawler)(?:[-/); _]|$)|Yahoo! Slurp|facebookexternalhit|facebookcatalog|meta-external|Mediapartners-Google|BingPreview|AdsBot|Googlebot|AhrefsBot|archive\.org_bot)",
        "Spider",
    ),
    named(r"(Apple ?TV)", "AppleTV"),
    named(r"Windows Phone.*?; (?:Microsoft|NOKIA|Nokia); (Lumia [^;/)]+)", "$1"),
    named(r"Windows Phone.*?; (?:Microsoft|NOKIA|Nokia|SAMSUNG|HTC); ([^;/)]+)", "$1"),
    named(r"(iPhone|iPad|iPod)", "$1"),
    named(r"(BlackBerry [0-9a-z]+|BB10)", "$1"),
    named(r"; ?(?:SAMSUNG[ -])?((?:SM|GT|SCH|SGH|SPH|SHV|SC)-[A-Za-z0-9]+)", "Samsung $1"),
    named(r"; ?(?:HUAWEI|Huawei)[ _-]?([A-Za-z0-9-]+(?: [A-Z0-9-]+)?)(?: Build|[/);])", "Huawei $1"),
    named(r"; ?((?:Redmi|POCO|Mi|MI|Xiaomi)[ -][^;/)]+?)(?: Build|[/);])", "XiaoMi $1"),
    named(r"; ?(?:ONEPLUS|OnePlus)[ _]([A-Za-z0-9]+)", "OnePlus $1"),
    named(r"; ?((?:moto|Moto|MOTO) [^;/)]+?)(?: Build|[/);])", "Motorola $1"),
    named(r"; ?(?:LGE? ?)?(LG?-?M?[A-Z]{0,1}\d{3}[A-Za-z0-9]*)(?: Build|[/);])", "LG $1"),
    named(r"; ?(Nokia[ _][^;/)]+?)(?: Build|[/);])", "$1"),
    named(r"; ?HTC[ _]([^;/)]+?)(?: Build|[/);])", "HTC $1"),
    named(r"; ?(KF[A-Z]{2,6})(?: Build|[/);])", "Kindle $1"),
    named(r"Android [0-9.]+; Mobile[;)]", "Generic Smartphone"),
    named(r"Android; Mobile[;)]", "Generic Smartphone"),
    named(r"Android(?: [0-9.]+)?; Tablet[;)]", "Generic Tablet"),
    named(r"Android [^;)]+; (?:U; )?(?:[a-zA-Z]{2}[-_][a-zA-Z]{2,3}; )?([^;/)]+?)(?: Build|[/);]|$)", "$1"),
    named(r"Dalvik/.*Android [^;)]+; ([^;/)]+?) Build", "$1"),
    named(r"Opera Mini|Opera Mobi|MIDP|J2ME|Series ?[46]0", "Generic Feature Phone"),
    named(r"Android", "Generic Smartphone"),
    named(r"(PlayStation \d|PlayStation Vita|Xbox(?: One| Series X)?|Nintendo (?:Switch|3DS|WiiU?))", "$1"),
    named(r"(Macintosh|Mac OS X|Mac_PowerPC|macOS)", "Mac"),
];
