# ruff: noqa: RUF001 - Turkish names have a dotless i
"""Who lives in a seeded world: names, towns and money of several cultures. Data alone.

The words are common given and family names, put together by chance: nobody in particular is meant.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Culture:
    """Names and places that go together. `asset` is what stalls there ask to be paid in."""

    region: str
    locale: str
    time_zone: str
    asset: str
    given: tuple[str, ...]
    family: tuple[str, ...]
    towns: tuple[str, ...]


def _culture(
    region: str, locale: str, time_zone: str, asset: str, given: str, family: str, towns: str
) -> Culture:
    return Culture(
        region,
        locale,
        time_zone,
        asset,
        tuple(given.split()),
        tuple(name.replace("~", " ") for name in family.split()),
        tuple(town.replace("~", " ") for town in towns.split()),
    )


CULTURES: tuple[Culture, ...] = (
    _culture(
        "IN",
        "hi",
        "Asia/Kolkata",
        "INR",
        "Asha Ravi Meera Arjun Kavita Sanjay Lakshmi Imran Farah Nikhil Divya Harpreet Anjali "
        "Vikram Zoya Rohan Sunita Tenzin",
        "Sharma Iyer Khan Patel Das Reddy Nair Chatterjee Singh Joshi Kulkarni Bhat Mehta "
        "Ansari Gowda Rao Sethi Bhutia",
        "Jaipur Kochi Varanasi Bhuj Mysuru Lucknow Kolkata Srinagar",
    ),
    _culture(
        "JP",
        "ja",
        "Asia/Tokyo",
        "JPY",
        "Yuki Haruto Aiko Kenji Sakura Ren Naoko Takumi Hana Sōta Emi Daichi Mio Ryō Kaori Jun",
        "Satō Tanaka Itō Yamamoto Kobayashi Nakamura Ōta Fujii Mori Hayashi Ishikawa Ueda Kondō "
        "Sakai Noguchi Arai",
        "Kyoto Kanazawa Mashiko Arita Matsumoto Takayama Naha",
    ),
    _culture(
        "GH",
        "en",
        "Africa/Accra",
        "USD",
        "Ama Kofi Abena Kwame Akosua Yaw Esi Kojo Efua Kwesi Adwoa Nana Afia Kwaku Mansa Fiifi",
        "Mensah Osei Boateng Owusu Asante Appiah Addo Agyeman Ofori Quaye Tetteh Amoah Darko "
        "Baidoo Annan Sarpong",
        "Kumasi Bonwire Accra Tamale Cape~Coast Ntonso",
    ),
    _culture(
        "NG",
        "en",
        "Africa/Lagos",
        "USD",
        "Chidi Ngozi Ifeoma Emeka Folake Tunde Yetunde Segun Amina Bashir Zainab Uche Adaeze "
        "Femi Ọmọlará Ṣadé",
        "Okafor Adeyemi Balogun Eze Okonkwo Bello Nwosu Adebayo Ibrahim Obi Lawal Afolabi Udo "
        "Danjuma Ojo Ekwueme",
        "Abeokuta Ọ̀ṣogbo Kano Benin~City Enugu Lagos",
    ),
    _culture(
        "MX",
        "es",
        "America/Mexico_City",
        "USD",
        "Lucía Mateo Ximena Diego Guadalupe Emiliano Sofía Andrés Itzel Rodrigo Citlali Óscar "
        "Paloma Joaquín Yolotl Inés",
        "Hernández García Martínez López Cruz Vásquez Ruiz Mendoza Jiménez Núñez Bautista "
        "Ortega Santiago Peña Luna Zárate",
        "Oaxaca Taxco Puebla Tonalá Uruapan San~Cristóbal",
    ),
    _culture(
        "PE",
        "es",
        "America/Lima",
        "USD",
        "Rosa Luis Nélida Wilber Flor Édgar Marisol Rubén Yésica Saturnino Nilda Percy Dina "
        "Alipio Sonia Hilario",
        "Quispe Mamani Huamán Condori Flores Ccori Apaza Rojas Choque Vargas Yupanqui Ramos "
        "Titto Puma Huanca Salas",
        "Cusco Ayacucho Chinchero Puno Arequipa Pisac",
    ),
    _culture(
        "BR",
        "pt",
        "America/Sao_Paulo",
        "USD",
        "João Ana Beatriz Caio Débora Felipe Gabriela Iara Lívia Murilo Raoni Tainá Thiago "
        "Vitória Zélia Antônio",
        "Silva Souza Oliveira Araújo Gonçalves Ferreira Conceição Ribeiro Moraes Nascimento "
        "Teixeira Magalhães Pires Assunção Brandão Lima",
        "Olinda Salvador Caruaru Tiradentes Belém Paraty",
    ),
    _culture(
        "FR",
        "fr",
        "Europe/Paris",
        "EUR",
        "Chloé Hugo Élodie Théo Inès Rémi Margaux Loïc Zoé Gaël Amélie Noé Céline Bastien Fatou "
        "Maëlle",
        "Martin Bernard Lefèvre Moreau Girard Bonnet François Mercier Guérin Faure Rousseau "
        "Blanc Diallo Hébert Marchand Périer",
        "Limoges Quimper Calais Aubusson Vallauris Lyon",
    ),
    _culture(
        "DE",
        "de",
        "Europe/Berlin",
        "EUR",
        "Jürgen Anke Björn Frieda Jörg Käthe Lukas Mira Sören Ulrike Emil Greta Hannes Leyla "
        "Ruth Moritz",
        "Müller Schäfer Weiß Köhler Krüger Böhm Vogel Jäger Lang Schröder Yılmaz Brandt "
        "Pfeiffer Groß Seidel Engel",
        "Meißen Dresden Freiburg Lübeck Erfurt Seiffen",
    ),
    _culture(
        "PL",
        "pl",
        "Europe/Warsaw",
        "EUR",
        "Zofia Łukasz Małgorzata Paweł Agnieszka Stanisław Jagoda Michał Bożena Kacper Wanda "
        "Jędrzej Hanna Tadeusz Ewa Błażej",
        "Nowak Wójcik Kamińska Zieliński Wiśniewska Dąbrowski Król Pawlak Gołąb Sikora Wróbel "
        "Jabłońska Mróz Żak Lis Czajka",
        "Bolesławiec Zakopane Łowicz Kraków Gdańsk",
    ),
    _culture(
        "IE",
        "en",
        "Europe/Dublin",
        "EUR",
        "Aoife Cillian Niamh Oisín Saoirse Seán Róisín Eoin Sinéad Tadhg Orla Fionn Gráinne "
        "Colm Maeve Ruairí",
        "O'Brien Murphy Ní~Dhálaigh Byrne Doyle McCarthy Gallagher Nolan Ó~Conaill Walsh "
        "Brennan Kavanagh Lynch Quinn Farrell Daly",
        "Galway Dingle Kilkenny Donegal Waterford",
    ),
    _culture(
        "TR",
        "tr",
        "Europe/Istanbul",
        "EUR",
        "Ayşe Mehmet Elif Çağlar Zeynep Ömer Gülşen Emre Şule Kerem Defne Uğur Nazlı İsmail "
        "Sevgi Ozan",
        "Yılmaz Kaya Demir Şahin Çelik Yıldız Öztürk Aydın Arslan Doğan Kılıç Güneş Koç Aksoy "
        "Erdem Tekin",
        "İznik Kütahya Uşak Gaziantep Bursa Kapadokya",
    ),
    _culture(
        "MA",
        "ar",
        "Africa/Casablanca",
        "EUR",
        "Fatima Youssef Khadija Hamza Salma Rachid Naïma Anas Imane Brahim Zineb Tariq Loubna "
        "Idir Touria Saïd",
        "Alaoui Bennani El~Amrani Tazi Berrada Ouazzani Chraïbi Idrissi Aït~Ali Lahlou Mansouri "
        "Fassi Naciri Zerouali Benjelloun Amghar",
        "Fès Marrakech Safi Taznakht Chefchaouen Tiznit",
    ),
    _culture(
        "VN",
        "vi",
        "Asia/Ho_Chi_Minh",
        "USD",
        "Linh Minh Hương Tuấn Thảo Đức Lan Quang Mai Hải Ngọc Sơn Trang Phúc Yến Bảo",
        "Nguyễn Trần Lê Phạm Hoàng Vũ Đặng Bùi Đỗ Hồ Ngô Dương Lý Đinh Mai Trịnh",
        "Hội~An Huế Hà~Nội Bát~Tràng Sa~Pa",
    ),
    _culture(
        "ID",
        "id",
        "Asia/Jakarta",
        "USD",
        "Dewi Budi Putri Agus Sri Wayan Ketut Rahmat Ayu Made Siti Bayu Ratna Komang Indah Yohanes",
        "Wijaya Santoso Lestari Hidayat Suryani Pratama Nugroho Kusuma Saputra Wibowo Handayani "
        "Siregar Utami Gunawan Rahayu Lubis",
        "Yogyakarta Ubud Cirebon Pekalongan Sumba Kotagede",
    ),
    _culture(
        "US",
        "en",
        "America/Denver",
        "USD",
        "Dakota Grace Marcus Elena Caleb Naomi Jesse Ruth Malik Willa Tyrell Hazel Silas "
        "Rosalind Amos Joy",
        "Begay Johnson Carter Whitehorse Nguyen Rivera Brooks Miller Yazzie Freeman Olsen "
        "Hughes Delgado Tso Bell Parker",
        "Santa~Fe Asheville Taos Berea Portland Gallup",
    ),
    _culture(
        "FI",
        "fi",
        "Europe/Helsinki",
        "EUR",
        "Aino Eero Helmi Väinö Sanna Jukka Päivi Onni Kaisa Ilkka Máret Niillas Tuuli Antti "
        "Venla Heikki",
        "Korhonen Virtanen Mäkinen Nieminen Hämäläinen Laine Heikkilä Näkkäläjärvi Koskinen "
        "Järvinen Lehtonen Saarinen Magga Salmi Räsänen Aikio",
        "Inari Fiskars Rovaniemi Porvoo Utsjoki",
    ),
    _culture(
        "ET",
        "am",
        "Africa/Addis_Ababa",
        "USD",
        "Hiwot Abebe Selam Dawit Tigist Yonas Meron Bekele Almaz Girma Rahel Tesfaye Saba "
        "Mulugeta Eden Fikru",
        "Tadesse Haile Bekele Wolde Alemu Kebede Desta Girmay Assefa Tesfaye Mekonnen Abera "
        "Worku Lemma Negash Zewde",
        "Dorze Harar Lalibela Aksum Addis~Ababa",
    ),
)
