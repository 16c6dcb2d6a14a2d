//! Names of months and of days of the week in languages other than English, by the language of a locale.
//!
//! Names are read in any case, whole or short, a short one with or without a dot behind it, and English ones as well.

use logship_parsers::time::{MONTHS, MONTHS_SHORT, WEEKDAYS, WEEKDAYS_SHORT};

/// A language, its months from January on and its days from Monday on, each in its spellings.
type Language = (&'static str, &'static str, &'static str);

const LANGUAGES: [Language; 17] = [
    (
        "cs",
        "ledna/leden/led února/únor/úno března/březen/bře dubna/duben/dub května/květen/kvě června/červen/čvn \
         července/červenec/čvc srpna/srpen/srp září/zář října/říjen/říj listopadu/listopad/lis prosince/prosinec/pro",
        "pondělí/po úterý/út středa/st čtvrtek/čt pátek/pá sobota/so neděle/ne",
    ),
    (
        "da",
        "januar/jan februar/feb marts/mar april/apr maj juni/jun juli/jul august/aug september/sep oktober/okt november/nov \
         december/dec",
        "mandag/man tirsdag/tirs/tir onsdag/ons torsdag/tors/tor fredag/fre lørdag/lør søndag/søn",
    ),
    (
        "de",
        "januar/jänner/jan februar/feb märz/mär/mrz april/apr mai juni/jun juli/jul august/aug september/sept/sep oktober/okt \
         november/nov dezember/dez",
        "montag/mo dienstag/di mittwoch/mi donnerstag/do freitag/fr samstag/sonnabend/sa sonntag/so",
    ),
    (
        "es",
        "enero/ene febrero/feb marzo/mar abril/abr mayo/may junio/jun julio/jul agosto/ago septiembre/sept/sep octubre/oct \
         noviembre/nov diciembre/dic",
        "lunes/lun martes/mar miércoles/mié jueves/jue viernes/vie sábado/sáb domingo/dom",
    ),
    (
        "fi",
        "tammikuuta/tammikuu/tammik/tammi helmikuuta/helmikuu/helmik/helmi maaliskuuta/maaliskuu/maalisk/maalis \
         huhtikuuta/huhtikuu/huhtik/huhti toukokuuta/toukokuu/toukok/touko kesäkuuta/kesäkuu/kesäk/kesä \
         heinäkuuta/heinäkuu/heinäk/heinä elokuuta/elokuu/elok/elo syyskuuta/syyskuu/syysk/syys lokakuuta/lokakuu/lokak/loka \
         marraskuuta/marraskuu/marrask/marras joulukuuta/joulukuu/jouluk/joulu",
        "maanantaina/maanantai/ma tiistaina/tiistai/ti keskiviikkona/keskiviikko/ke torstaina/torstai/to \
         perjantaina/perjantai/pe lauantaina/lauantai/la sunnuntaina/sunnuntai/su",
    ),
    (
        "fr",
        "janvier/janv février/févr mars avril/avr mai juin juillet/juil août septembre/sept octobre/oct novembre/nov \
         décembre/déc",
        "lundi/lun mardi/mar mercredi/mer jeudi/jeu vendredi/ven samedi/sam dimanche/dim",
    ),
    (
        "hu",
        "január/jan február/febr/feb március/márc/már április/ápr május/máj június/jún július/júl augusztus/aug \
         szeptember/szept október/okt november/nov december/dec",
        "hétfő/h kedd/k szerda/sze csütörtök/cs péntek/p szombat/szo vasárnap/v",
    ),
    (
        "it",
        "gennaio/gen febbraio/feb marzo/mar aprile/apr maggio/mag giugno/giu luglio/lug agosto/ago settembre/set ottobre/ott \
         novembre/nov dicembre/dic",
        "lunedì/lun martedì/mar mercoledì/mer giovedì/gio venerdì/ven sabato/sab domenica/dom",
    ),
    (
        "nb",
        "januar/jan februar/feb mars/mar april/apr mai juni/jun juli/jul august/aug september/sept/sep oktober/okt \
         november/nov desember/des",
        "mandag/måndag/man/mån tirsdag/tysdag/tir/tys onsdag/ons torsdag/tor fredag/fre lørdag/laurdag/lør/lau \
         søndag/søn",
    ),
    (
        "nl",
        "januari/jan februari/feb maart/mrt april/apr mei juni/jun juli/jul augustus/aug september/sep oktober/okt \
         november/nov december/dec",
        "maandag/ma dinsdag/di woensdag/wo donderdag/do vrijdag/vr zaterdag/za zondag/zo",
    ),
    (
        "pl",
        "stycznia/styczeń/sty lutego/luty/lut marca/marzec/mar kwietnia/kwiecień/kwi maja/maj czerwca/czerwiec/cze \
         lipca/lipiec/lip sierpnia/sierpień/sie września/wrzesień/wrz października/październik/paź listopada/listopad/lis \
         grudnia/grudzień/gru",
        "poniedziałek/pon/pn wtorek/wt środa/śr czwartek/czw piątek/pt sobota/sob niedziela/niedz/nie",
    ),
    (
        "pt",
        "janeiro/jan fevereiro/fev março/mar abril/abr maio/mai junho/jun julho/jul agosto/ago setembro/set outubro/out \
         novembro/nov dezembro/dez",
        "segunda-feira/segunda/seg terça-feira/terça/ter quarta-feira/quarta/qua quinta-feira/quinta/qui \
         sexta-feira/sexta/sex sábado/sáb domingo/dom",
    ),
    (
        "ro",
        "ianuarie/ian februarie/feb martie/mar aprilie/apr mai iunie/iun iulie/iul august/aug septembrie/sept/sep \
         octombrie/oct noiembrie/noi/nov decembrie/dec",
        "luni/lun marți/mar miercuri/mie joi vineri/vin sâmbătă/sâm duminică/dum",
    ),
    (
        "ru",
        "января/янв февраля/февр/фев марта/март/мар апреля/апр мая/май июня/июнь/июн июля/июль/июл августа/авг \
         сентября/сент/сен октября/окт ноября/нояб/ноя декабря/дек",
        "понедельник/пн вторник/вт среда/ср четверг/чт пятница/пт суббота/сб воскресенье/вс",
    ),
    (
        "sv",
        "januari/jan februari/febr/feb mars/mar april/apr maj juni/jun juli/jul augusti/aug september/sept/sep oktober/okt \
         november/nov december/dec",
        "måndag/mån tisdag/tis onsdag/ons torsdag/tors/tor fredag/fre lördag/lör söndag/sön",
    ),
    (
        "tr",
        "ocak/oca şubat/şub mart/mar nisan/nis mayıs/may haziran/haz temmuz/tem ağustos/ağu eylül/eyl ekim/eki kasım/kas \
         aralık/ara",
        "pazartesi/pzt salı/sal çarşamba/çar perşembe/per cuma/cum cumartesi/cmt pazar/paz",
    ),
    (
        "uk",
        "січня/січ лютого/лют березня/бер квітня/квіт травня/трав червня/черв липня/лип серпня/серп вересня/вер жовтня/жовт \
         листопада/лист грудня/груд",
        "понеділок/пн вівторок/вт середа/ср четвер/чт пʼятниця/п'ятниця/пт субота/сб неділя/нд",
    ),
];

/// The names of a locale's language.
#[derive(Debug)]
pub(super) struct Names {
    pub(super) months: Spellings,
    pub(super) days: Spellings,
}

/// Spellings in lower case, longer ones first, each with its number from 1 on.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Spellings(Vec<(String, i8)>);

impl Names {
    /// Those of `fr`, `fr-FR` or `fr_FR`. None where the language is not known.
    pub(super) fn of(locale: &str) -> Option<Names> {
        let language = locale.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase();
        let language = if matches!(language.as_str(), "no" | "nn") { "nb" } else { language.as_str() };
        let (_, months, days) = LANGUAGES.iter().find(|(known, ..)| *known == language)?;
        Some(Names {
            months: Spellings::new(months, [&MONTHS, &MONTHS_SHORT]),
            days: Spellings::new(days, [&WEEKDAYS, &WEEKDAYS_SHORT]),
        })
    }
}

impl Spellings {
    fn new(names: &str, english: [&[&str]; 2]) -> Spellings {
        let own = names.split_whitespace().map(|names| names.split('/').collect());
        let lists = english.into_iter().map(|names| names.iter().map(|name| vec![*name]).collect::<Vec<_>>());
        let numbered = |lists: Vec<Vec<&str>>| {
            let each = lists.into_iter().zip(1_i8..);
            each.flat_map(|(names, number)| {
                names.into_iter().map(move |name| (name.to_lowercase(), number)).collect::<Vec<_>>()
            })
            .collect::<Vec<_>>()
        };
        let mut all: Vec<(String, i8)> = numbered(own.collect());
        lists.for_each(|names| all.extend(numbered(names)));
        // What two languages spell alike is the locale's own.
        all.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
        Spellings(all)
    }

    /// The number of the name that a text begins with, and what follows it, behind a dot where one may be taken.
    pub(super) fn read<'t>(&self, text: &'t str, takes_dot: bool) -> Option<(i8, &'t str)> {
        let (rest, number) = self.0.iter().find_map(|(name, number)| Some((stripped(text, name)?, *number)))?;
        Some((number, rest.strip_prefix('.').filter(|_| takes_dot).unwrap_or(rest)))
    }
}

/// What follows a name in lower case that the text begins with in any.
fn stripped<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let mut chars = text.chars();
    name.chars().all(|c| chars.next().is_some_and(|t| t == c || t.to_lowercase().eq([c]))).then_some(chars.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_have_all_names() {
        for (language, months, days) in LANGUAGES {
            assert_eq!(months.split_whitespace().count(), 12, "{language}");
            assert_eq!(days.split_whitespace().count(), 7, "{language}");
            for names in [months, days] {
                let mut spellings: Vec<_> = names.split(['/', ' ']).filter(|name| !name.is_empty()).collect();
                assert!(spellings.iter().all(|name| name.to_lowercase() == **name), "{language}");
                let count = spellings.len();
                spellings.sort_unstable();
                spellings.dedup();
                assert_eq!(spellings.len(), count, "{language}: a name means two");
            }
        }
        assert!(LANGUAGES.is_sorted_by_key(|(language, ..)| *language));
    }

    #[test]
    fn names_are_read_in_any_case() {
        let check = |locale: &str, text: &str, takes_dot, expected: Option<(i8, &str)>| {
            assert_eq!(Names::of(locale).unwrap().months.read(text, takes_dot), expected, "{locale} {text}");
        };
        check("fr", "juillet 1789", true, Some((7, " 1789")));
        check("fr_FR", "FÉVR. 2", true, Some((2, " 2")));
        check("fr-FR", "févr.2", false, Some((2, ".2")));
        check("de_AT", "Mär 1", true, Some((3, " 1")));
        check("de", "March 1", true, Some((3, " 1")));
        check("nn", "desember", true, Some((12, "")));
        check("ru", "Мая 5", true, Some((5, " 5")));
        check("it", "ju", true, None);
        assert!(Names::of("xx").is_none() && Names::of("").is_none());
    }
}
