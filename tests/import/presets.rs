//! Tests `--preset` with the headers that the products write.

use crate::program::transcript;

/// Exports with the titles of each product, and the options that the export needs besides the
/// preset.
const EXPORTS: [(&str, &str, &[&str], &str); 9] = [
    (
        "Intune, the devices with one discovered app",
        "intune",
        &[],
        "ApplicationKey,ApplicationName,ApplicationPublisher,ApplicationShortVersion,ApplicationVersion,\
         DeviceId,DeviceName,OSDescription,OSVersion,Platform,UserId,EmailAddress,UserName\n\
         0a1b,Contoso Client,Contoso,3.58,3.58.110.0,6f1c2d3e-0001,BER-WS-001,Windows,10.0.22631,\
         Windows,u-1,k@contoso.example,Kim\n",
    ),
    (
        "Intune, all devices",
        "intune",
        &["--time-format", "%Y-%m-%d %H:%M:%S%.f", "--time-zone", "UTC"],
        "Device ID,Device name,Serial number,Primary user UPN,Primary user display name,Last check-in,\
         Manufacturer,Model,OS\n\
         6f1c2d3e-0001,BER-WS-001,PF3ABC,k@contoso.example,Kim,2026-11-22 08:15:00.0000000,LENOVO,\
         21HES,Windows\n",
    ),
    (
        "Configuration Manager, Get-CMDevice",
        "sccm",
        &["--time-format", "%m/%d/%Y %I:%M:%S %p", "--time-zone", "Europe/Berlin"],
        "#TYPE IResultObject#SMS_CombinedDeviceResources\n\
         \"ADSiteName\",\"ClientVersion\",\"DeviceOS\",\"LastActiveTime\",\"LastLogonUser\",\"Name\",\
         \"ResourceID\"\n\
         \"Berlin\",\"5.00.9122.1000\",\"Microsoft Windows NT Workstation 10.0\",\
         \"11/22/2026 8:15:00 AM\",\"kschulz\",\"BER-WS-001\",\"16777220\"\n",
    ),
    (
        "Configuration Manager, a query of installed software",
        "sccm",
        &[],
        "ResourceID,Name0,User_Name0,ProductName0,ProductVersion0\n\
         16777220,BER-WS-001,kschulz,Contoso Client,3.58.110.0\n",
    ),
    (
        "Lansweeper, a report of one software",
        "lansweeper",
        &["--time-format", "%d/%m/%Y %H:%M:%S", "--time-zone", "Europe/Brussels"],
        "AssetID,AssetName,Domain,AssetType,Username,Userdomain,IPAddress,Software,Version,Publisher,\
         IPLocation,Lastseen,Lasttried\n\
         17,BER-WS-001,CORP,Windows,kschulz,CORP,10.40.1.11,Contoso Client,3.58.110.0,Contoso,Berlin,\
         22/11/2026 08:15:00,22/11/2026 08:15:00\n",
    ),
    (
        "GLPI, the list of computers",
        "glpi",
        &["--time-zone", "Europe/Paris"],
        "\"Name\";\"Status\";\"Manufacturers\";\"Serial number\";\"Type\";\"Model\";\
         \"Operating System - Name\";\"Locations\";\"Last update\";\"Components - Processor\";\
         \"Last inventory date\"\r\n\
         \"BER-WS-001\";\"Production\";\"LENOVO\";\"PF3ABC\";\"Notebook\";\"21HES\";\"Windows 11\";\
         \"Berlin\";\"2026-11-23 09:00\";\"i5\";\"2026-11-22 08:15\"\r\n",
    ),
    (
        "Fleet, the report of hosts",
        "fleetdm",
        &[],
        "created_at,updated_at,id,detail_updated_at,label_updated_at,policy_updated_at,\
         last_enrolled_at,seen_time,refetch_requested,hostname,uuid,platform,osquery_version,\
         os_version,build,hardware_serial,computer_name,primary_ip,status,display_text\n\
         2022-03-15T17:23:56Z,2022-03-15T17:23:56Z,1,2022-03-15T17:23:56Z,2022-03-15T17:23:56Z,\
         2022-03-15T17:23:56Z,2022-03-15T17:23:56Z,2026-11-22T08:15:00Z,false,ber-ws-001,\
         a4fc55a1-b5de-409c-a2f4-441f564680d3,windows,5.9.1,Windows 11,22631,PF3ABC,BER-WS-001,\
         10.40.1.11,online,ber-ws-001\n",
    ),
    (
        "Jamf Pro, a search for computers",
        "jamf",
        &["--time-zone", "UTC"],
        "Computer Name,Serial Number,Operating System Version,Username,Last Reported IP Address,\
         Last Check-in,Last Inventory Update\n\
         Mac-001,C02ABC,15.0,kschulz,10.40.1.11,2026-11-22 08:15:00,2026-11-21 20:00:00\n",
    ),
    (
        "Windows Server Update Services, Get-WsusComputer",
        "wsus",
        &["--time-format", "%m/%d/%Y %I:%M:%S %p"],
        "#TYPE Microsoft.UpdateServices.Internal.BaseApi.ComputerTarget\n\
         \"FullDomainName\",\"IPAddress\",\"OSFamily\",\"OSDescription\",\"ClientVersion\",\
         \"ComputerRole\",\"LastSyncTime\",\"LastReportedStatusTime\"\n\
         \"ber-ws-001.corp.example\",\"10.40.1.11\",\"Windows\",\"Windows 11 Pro\",\"10.0.22621.1\",\
         \"Workstation\",\"11/22/2026 8:15:00 AM\",\"11/22/2026 8:20:00 AM\"\n",
    ),
];

#[test]
fn the_exports_of_products() {
    let mut text = String::new();
    for (about, preset, options, export) in EXPORTS {
        let options = [&["--preset", preset], options].concat();
        let said = transcript(&options, export.as_bytes());
        assert!(said.ends_with("[exit code 0]\n"), "{about}: {said}");
        text += &format!("# {about}\n{said}\n");
    }
    insta::assert_snapshot!("exports", text);
}

#[test]
fn options_come_before_the_preset() {
    let export = "FullDomainName,Asset Tag,ClientVersion,Agent,LastSyncTime\n\
                  a.corp,A-1,10.0,3.59,2026-11-22T08:15:00Z\n";
    let options = [
        "--preset",
        "wsus",
        "--column",
        "name=Asset Tag",
        "--column",
        "version=Agent",
        "--column",
        "lastSeen=",
    ];
    insta::assert_snapshot!("overridden", transcript(&options, export.as_bytes()));
}

#[test]
fn an_export_of_something_else() {
    let mut text = String::new();
    for (about, options, export) in [
        ("another language", &["--preset", "jamf"][..], "Computername,Seriennummer\nMac,C02\n"),
        ("a title twice", &["--preset", "glpi"], "Serial number,Serial number,Name\n1,2,a\n"),
        (
            "a user of GLPI prefers other dates",
            &["--preset", "glpi", "--time-zone", "UTC"],
            "Serial number,Name,Last inventory date\n1,a,22-11-2026 08:15\n2,b,11-22-2026 08:15\n",
        ),
        ("no such product", &["--preset", "excel"], "Name\na\n"),
    ] {
        text += &format!("# {about}\n{}\n", transcript(options, export.as_bytes()));
    }
    insta::assert_snapshot!("other_exports", text);
}
